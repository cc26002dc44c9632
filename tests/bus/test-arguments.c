/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Arguments that are wrong, hostile or too large: refused by name, and nothing happens. */

#include "bus-fixture.h"

#include "base/json.h"

#include <string.h>

static BusFixture fixture;
static BusClient *client;

static void setup(void)
{
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
}

/* Hostile options: each is refused by name, and nothing happens. */

typedef struct Hostile {
    const char *member;
    const char *fixed; /* types of the arguments before the options, all strings "new" */
    const char *types; /* of one entry */
    const char *text;  /* in the message */
} Hostile;

static sd_bus_message *hostile_message(const Hostile *row)
{
    bool is_wait = g_str_equal(row->member, "Wait");
    sd_bus_message *call = bus_client_message(client, is_wait ? service_path("web") : ROOT,
                                              is_wait ? SERVICE : MANAGER, row->member);

    for (const char *type = row->fixed; *type != '\0'; type++)
        g_assert_cmpint(sd_bus_message_append(call, "s", "new"), >=, 0);
    return call;
}

static void test_hostile_options(void)
{
    static const struct {
        Hostile call;
        const char *key;
    } rows[] = {
            {{"ListServices", "", "s", "unknown option 'patern'; known: ids"}, "patern"},
            {{"ListServices", "", "s", "'limit' expects a value of type u, got s"}, "limit"},
            {{"ListServices", "", "s", "'ids' expects a value of type as"}, "ids"},
            {{"ListServices", "", "s", "page_token"}, "page_token"},
            {{"CreateService", "sss", "s", "unknown option 'Start'"}, "Start"},
            {{"CreateService", "sss", "s", "'start' expects a value of type b"}, "start"},
            {{"CreateService", "sss", "s", "unknown option 'enable'"}, "enable"},
            {{"CreateService", "sss", "s", "unknown option ''"}, ""},
            {{"DeleteService", "s", "s", "unknown option 'force'"}, "force"},
            {{"DeleteService", "s", "s", "'allow_missing' expects"}, "allow_missing"},
            {{"Wait", "", "s", "unknown option 'timeout'"}, "timeout"},
            {{"Wait", "", "s", "'timeout_usec' expects a value of type t"}, "timeout_usec"},
            {{"Wait", "", "s", "option 'until': expected settled"}, "until"},
    };

    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        sd_bus_message *call = hostile_message(&rows[i].call);
        g_autoptr(Pending) pending = NULL;

        g_assert_cmpint(
                sd_bus_message_append(call, "a{sv}", 1, rows[i].key, rows[i].call.types, "$$$"), >=,
                0);
        pending = bus_client_send(client, call);
        bus_fixture_turn(&fixture);
        pending_assert_error(pending, ERROR_INVALID_ARGS, rows[i].call.text);
    }
    g_assert_cmpuint(map_counts(fixture.map)->total, ==, 1);
    teardown();
}

static void test_option_twice(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_client_refused(client, ERROR_INVALID_ARGS, "'until' is given twice", service_path("web"),
                       SERVICE, "Wait", "a{sv}", 2, "until", "s", "active", "until", "s", "ready");
    bus_client_refused(client, ERROR_INVALID_ARGS, "'labels' has a key twice", ROOT, MANAGER,
                       "CreateService", "sssa{sv}", "x", "fake", "", 1, "labels", "a{ss}", 2, "k",
                       "1", "k", "2");
    bus_client_refused(client, ERROR_INVALID_ARGS, "'nope' is no property", ROOT, MANAGER,
                       "ListServices", "a{sv}", 1, "fields", "as", 1, "nope");
    bus_client_refused(client, ERROR_INVALID_ARGS, "'states': expected", ROOT, MANAGER,
                       "ListServices", "a{sv}", 1, "states", "as", 1, "up");
    teardown();
}

/* sd-bus itself refuses what does not fit the signature. */
static void test_wrong_signature(void)
{
    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_client_refused(client, ERROR_INVALID_ARGS, NULL, service_path("web"), SERVICE, "Start", "s",
                       "x");
    bus_client_refused(client, ERROR_INVALID_ARGS, NULL, service_path("web"), SERVICE, "Configure",
                       "i", 1);
    bus_client_refused(client, ERROR_INVALID_ARGS, NULL, ROOT, MANAGER, "GetService", NULL);
    teardown();
}

static void test_too_large(void)
{
    g_autofree char *config = g_strnfill(JSON_MAX_BYTES + 1, ' ');
    g_autofree char *text = g_strnfill(4097, 'x');
    g_autofree char *key = g_strnfill(257, 'k');
    sd_bus_message *call;

    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "1048577", service_path("web"), SERVICE,
                       "Configure", "s", config);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "1048577", ROOT, MANAGER, "ValidateConfig",
                       "ss", "fake", config);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "1048577", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", config, 0);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "description", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", "", 1, "description", "s", text);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "label", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", "", 1, "labels", "a{ss}", 1, "k", text);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "label", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", "", 1, "labels", "a{ss}", 1, key, "v");
    bus_client_refused(client, ERROR_INVALID_ARGS, "label", ROOT, MANAGER, "CreateService",
                       "sssa{sv}", "x", "fake", "", 1, "labels", "a{ss}", 1, "", "v");
    call = bus_client_message(client, ROOT, MANAGER, "CreateService");
    g_assert_cmpint(sd_bus_message_append(call, "sss", "x", "fake", ""), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{sv}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'e', "sv"), >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "s", "labels"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'v', "a{ss}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{ss}"), >=, 0);
    for (unsigned i = 0; i < 65; i++) {
        g_autofree char *name = g_strdup_printf("k%u", i);

        g_assert_cmpint(sd_bus_message_append(call, "{ss}", name, "v"), >=, 0);
    }
    for (unsigned i = 0; i < 4; i++)
        g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
    g_autoptr(Pending) pending = bus_client_send(client, call);
    bus_fixture_turn(&fixture);
    pending_assert_error(pending, ERROR_LIMIT_EXCEEDED, "65 labels");
    g_assert_cmpuint(map_counts(fixture.map)->total, ==, 1);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/arguments/hostile-options", test_hostile_options);
    g_test_add_func("/arguments/option-twice", test_option_twice);
    g_test_add_func("/arguments/wrong-signature", test_wrong_signature);
    g_test_add_func("/arguments/too-large", test_too_large);
    return g_test_run();
}
