/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "reload-answer.h"

#include "trouble.h"

void answer_free(Answer *answer)
{
    g_hash_table_unref(answer->lists);
    g_hash_table_unref(answer->failed);
    g_free(answer);
}

static void answer_read_failed(Answer *answer, sd_bus_message *message)
{
    const char *id, *reason;

    g_assert_cmpint(sd_bus_message_enter_container(message, 'v', "a{ss}"), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{ss}"), >, 0);
    while (sd_bus_message_read(message, "{ss}", &id, &reason) > 0)
        g_hash_table_insert(answer->failed, g_strdup(id), g_strdup(reason));
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
}

static void answer_read_list(Answer *answer, const char *name, sd_bus_message *message)
{
    g_auto(GStrv) ids = NULL;

    g_assert_cmpint(sd_bus_message_enter_container(message, 'v', "as"), >, 0);
    g_assert_cmpint(sd_bus_message_read_strv(message, &ids), >=, 0);
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    g_hash_table_insert(answer->lists, g_strdup(name),
                        ids != NULL ? g_strjoinv(" ", ids) : g_strdup(""));
}

/* Takes the message. */
static Answer *answer_new(sd_bus_message *message)
{
    Answer *answer = g_new0(Answer, 1);
    const char *name;

    answer->lists = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    answer->failed = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    g_assert_cmpint(sd_bus_message_enter_container(message, 'a', "{sv}"), >, 0);
    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read(message, "s", &name), >, 0);
        if (g_str_equal(name, "failed"))
            answer_read_failed(answer, message);
        else
            answer_read_list(answer, name, message);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    (void)sd_bus_message_unref(message); /* always NULL */
    return answer;
}

Answer *reload(DaemonFixture *fixture)
{
    return answer_new(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "ReloadDefinitions",
                                  "a{sv}", 0));
}

Answer *reload_dry(DaemonFixture *fixture)
{
    return answer_new(client_call(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "ReloadDefinitions",
                                  "a{sv}", 1, "dry_run", "b", 1));
}

void assert_list(Answer *answer, const char *name, const char *expected)
{
    g_assert_cmpstr(g_hash_table_lookup(answer->lists, name), ==, expected);
}

void assert_failed(Answer *answer, const char *id, const char *part)
{
    const char *reason = g_hash_table_lookup(answer->failed, id);

    g_assert_nonnull(reason);
    assert_contains(reason, part);
}
