/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers are counted by what they say, so that a test asks for all of them and misses none. */

#include "stop-client.h"

#include <poll.h>

#define STOP_NAME "org.svcmgr1"
#define STOP_OPEN_MAX 500 /* the daemon takes a few more of one client */
#define STOP_PATIENCE_USEC (60 * USEC_PER_SEC)
#define STOP_NOTIFY ", \"readiness\": \"notify\""

static int on_stop_event(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Stop *stop = data;
    const char *type, *id;

    g_assert_cmpint(sd_bus_message_read(message, "ttss", NULL, NULL, &type, &id), >, 0);
    g_ptr_array_add(stop->events, g_strdup_printf("%s %s", type, id));
    return 0;
}

void stop_connect(Stop *stop, bool is_private)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", stop->fixture->socket);

    stop->destination = is_private ? NULL : STOP_NAME;
    g_assert_cmpint(sd_bus_new(&stop->bus), >=, 0);
    g_assert_cmpint(
            sd_bus_set_address(stop->bus, is_private ? address : stop->fixture->bus_address), >=,
            0);
    g_assert_cmpint(sd_bus_set_bus_client(stop->bus, !is_private), >=, 0);
    g_assert_cmpint(sd_bus_start(stop->bus), >=, 0);
    g_assert_cmpint(sd_bus_match_signal(stop->bus, NULL, stop->destination, CLIENT_ROOT,
                                        CLIENT_MANAGER, "Event", on_stop_event, stop),
                    >=, 0);
    g_assert_cmpint(sd_bus_attach_event(stop->bus, stop->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
}

void stop_disconnect(Stop *stop)
{
    g_assert_cmpuint(stop->n_open, ==, 0);
    stop->bus = sd_bus_flush_close_unref(stop->bus);
    g_hash_table_remove_all(stop->answers);
    g_ptr_array_set_size(stop->events, 0);
}

void stop_set_up(Stop *stop, DaemonFixture *fixture)
{
    *stop = (Stop){.fixture = fixture, .lockers = lockers_new(fixture)};
    stop->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    stop->events = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpint(sd_event_new(&stop->event), >=, 0);
}

void stop_tear_down(Stop *stop)
{
    sd_event_unref(stop->event);
    g_hash_table_unref(stop->answers);
    g_ptr_array_unref(stop->events);
    lockers_free(stop->lockers);
}

/* Many calls at once */

typedef struct StopCall {
    Stop *stop;
    const char *member;
} StopCall;

static int on_stop_answer(sd_bus_message *answer, void *data, sd_bus_error *ret_error)
{
    g_autofree StopCall *call = data;
    const sd_bus_error *error = sd_bus_message_get_error(answer);
    const char *outcome = "done";

    if (error != NULL)
        outcome = error->name;
    else if (g_str_has_prefix(sd_bus_message_get_signature(answer, true), "s"))
        g_assert_cmpint(sd_bus_message_read(answer, "s", &outcome), >, 0);
    char *key = g_strdup_printf("%s %s", call->member, outcome);
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(call->stop->answers, key));
    g_hash_table_replace(call->stop->answers, key, GUINT_TO_POINTER(n + 1));
    call->stop->n_open--;
    return 0;
}

void stop_await_but(Stop *stop, unsigned n_open)
{
    uint64_t deadline = usec_add(test_now_usec(), STOP_PATIENCE_USEC);

    for (uint64_t now; stop->n_open > n_open;) {
        now = test_now_usec();
        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_event_run(stop->event, deadline - now), >=, 0);
    }
}

void stop_await_answers(Stop *stop)
{
    stop_await_but(stop, 0);
}

void stop_call(Stop *stop, const char *id, const char *member, const char *types, ...)
{
    g_autofree char *path = id != NULL ? client_service_path(id) : g_strdup(CLIENT_ROOT);
    StopCall *call = g_new0(StopCall, 1);
    sd_bus_message *message = NULL;
    va_list args;

    stop_await_but(stop, STOP_OPEN_MAX - 1);
    call->stop = stop;
    call->member = member;
    g_assert_cmpint(sd_bus_message_new_method_call(stop->bus, &message, stop->destination, path,
                                                   id != NULL ? CLIENT_SERVICE : CLIENT_MANAGER,
                                                   member),
                    >=, 0);
    va_start(args, types);
    g_assert_cmpint(sd_bus_message_appendv(message, types, args), >=, 0);
    va_end(args);
    g_assert_cmpint(
            sd_bus_call_async(stop->bus, NULL, message, on_stop_answer, call, STOP_PATIENCE_USEC),
            >=, 0);
    sd_bus_message_unref(message);
    stop->n_open++;
}

void stop_create(Stop *stop, const char *id, unsigned stop_msec, const char *members)
{
    g_autofree char *words = g_strdup_printf(", \"stop\", \"%u\"", stop_msec);
    g_autofree char *all = g_strconcat(STOP_NOTIFY, members, NULL);
    g_autofree char *config = lockers_config(stop->lockers, words, 0, all);

    stop_call(stop, NULL, "CreateService", "sssa{sv}", id, "process", config, 1, "start", "b", 1);
}

void stop_create_hanging(Stop *stop, const char *id, const char *words)
{
    g_autofree char *all = g_strconcat(words, ", \"stop\", \"-1\"", NULL);
    g_autofree char *config =
            lockers_config(stop->lockers, all, 0, STOP_NOTIFY ", \"stop_timeout\": \"1h\"");

    stop_call(stop, NULL, "CreateService", "sssa{sv}", id, "process", config, 1, "start", "b", 1);
}

unsigned stop_take(Stop *stop, const char *outcome)
{
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(stop->answers, outcome));

    (void)g_hash_table_remove(stop->answers, outcome); /* may be there or not */
    return n;
}

void stop_check(Stop *stop, const char *outcome, unsigned expected)
{
    unsigned n = stop_take(stop, outcome);
    GHashTableIter iter;
    void *other, *n_other;

    if (n == expected)
        return;
    g_hash_table_iter_init(&iter, stop->answers);
    while (g_hash_table_iter_next(&iter, &other, &n_other))
        g_test_message("%s: %u times", (const char *)other, GPOINTER_TO_UINT(n_other));
    g_error("%s: %u times, expected %u", outcome, n, expected);
}

void stop_check_taken(Stop *stop)
{
    GHashTableIter iter;
    void *outcome, *n;

    g_hash_table_iter_init(&iter, stop->answers);
    if (g_hash_table_iter_next(&iter, &outcome, &n))
        g_error("%s, %u times", (const char *)outcome, GPOINTER_TO_UINT(n));
}

static int on_stop_ended(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    *(bool *)data = true;
    return 0;
}

int stop_await_end(Stop *stop)
{
    uint64_t deadline = usec_add(test_now_usec(), STOP_PATIENCE_USEC);
    sd_event_source *source = NULL;
    bool has_ended = false;

    g_assert_cmpint(sd_event_add_io(stop->event, &source, stop->fixture->daemon.pidfd, POLLIN,
                                    on_stop_ended, &has_ended),
                    >=, 0);
    for (uint64_t now; !has_ended;) {
        now = test_now_usec();
        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_event_run(stop->event, deadline - now), >=, 0);
    }
    sd_event_source_unref(source);
    return child_wait_exit(&stop->fixture->daemon, DAEMON_PATIENCE_USEC);
}
