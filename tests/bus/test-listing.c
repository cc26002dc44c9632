/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lists: filters, pages, bounds; events; patterns; and how large an answer may become. */

#include "bus-fixture.h"

#include "bus/glob.h"
#include "bus/listing.h"
#include "core/service.h"

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

/* The ids of a ListServices answer, with blanks between; the token. */
static char *read_ids(sd_bus_message *reply, char **ret_token)
{
    GString *ids = g_string_new(NULL);
    const char *token = NULL;

    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_at_end(reply, false) == 0) {
        g_autoptr(GHashTable) fields = message_read_properties(reply);

        g_string_append_printf(ids, "%s%s", ids->len > 0 ? " " : "",
                               (char *)g_hash_table_lookup(fields, "Id"));
    }
    g_assert_cmpint(sd_bus_message_exit_container(reply), >=, 0);
    g_assert_cmpint(sd_bus_message_read(reply, "s", &token), >, 0);
    *ret_token = g_strdup(token);
    return g_string_free(ids, FALSE);
}

static void assert_ids(const char *expected, const char *expected_token, sd_bus_message *reply)
{
    g_autofree char *token = NULL;
    g_autofree char *ids = read_ids(reply, &token);

    g_assert_cmpstr(ids, ==, expected);
    g_assert_cmpstr(token, ==, expected_token);
    sd_bus_message_unref(reply);
}

#define LIST(...) bus_client_call(client, ROOT, MANAGER, "ListServices", "a{sv}", __VA_ARGS__)

static void test_filters(void)
{
    setup();
    bus_fixture_create(&fixture, "db", "fake", "{}", true);
    bus_fixture_create(&fixture, "web-1", "process", "{}", false);
    bus_fixture_create(&fixture, "web-2", "process", "{}", true);
    bus_fixture_create(&fixture, "web-10", "process", NULL, true);
    assert_ids("db web-1 web-10 web-2", "", LIST(0));
    assert_ids("db web-2", "", LIST(1, "ids", "as", 3, "web-2", "db", "gone"));
    assert_ids("", "", LIST(1, "ids", "as", 0));
    assert_ids("web-1 web-10 web-2", "", LIST(1, "kinds", "as", 2, "process", "nope"));
    assert_ids("db web-2", "", LIST(1, "states", "as", 1, "starting"));
    assert_ids("web-1 web-10", "", LIST(1, "states", "as", 2, "active", "inactive"));
    assert_ids("", "", LIST(1, "states", "as", 0));
    assert_ids("web-1 web-2", "", LIST(1, "pattern", "s", "web-?"));
    assert_ids("web-2", "",
               LIST(3, "pattern", "s", "web-*", "states", "as", 1, "starting", "kinds", "as", 1,
                    "process"));
    teardown();
}

static void test_fields(void)
{
    g_autoptr(sd_bus_message) reply = NULL, all = NULL;
    g_autofree char *text = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", NULL, false);
    reply = LIST(1, "fields", "as", 3, "State", "StateSerial", "State");
    text = message_to_text(reply);
    g_assert_cmpstr(text, ==,
                    "a(a(e(Id v(web ) ) e(State v(inactive ) ) e(StateSerial v(1 ) ) ) ) ");
    all = LIST(0);
    g_assert_cmpint(sd_bus_message_enter_container(all, 'a', "a{sv}"), >, 0);
    g_autoptr(GHashTable) fields = message_read_properties(all);
    g_assert_cmpuint(g_hash_table_size(fields), ==, 12);
    teardown();
}

static void test_pages(void)
{
    g_autoptr(GString) seen = g_string_new(NULL);
    g_autofree char *token = g_strdup("");
    unsigned n_pages = 0;

    setup();
    for (unsigned i = 0; i < 10; i++) {
        g_autofree char *id = g_strdup_printf("s%u", i);

        bus_fixture_create(&fixture, id, "fake", NULL, false);
    }
    do {
        g_autoptr(sd_bus_message) reply =
                LIST(3, "limit", "u", 3, "page_token", "s", token, "pattern", "s", "s[!5]");
        g_autofree char *ids = NULL;

        g_free(token);
        ids = read_ids(reply, &token);
        g_string_append_printf(seen, "%s|", ids);
        /* What goes between two pages disturbs nothing. */
        if (n_pages++ == 0)
            g_assert_true(map_delete(fixture.map, "s2", &origin_test, NULL, NULL, NULL));
    } while (*token != '\0');
    g_assert_cmpstr(seen->str, ==, "s0 s1 s2|s3 s4 s6|s7 s8 s9|");
    teardown();
}

static void create_many(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("service-%05u", i);
        CreateSpec spec = {.id = id, .kind = "process"};

        g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
    }
}

static void test_most(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *token = NULL, *ids = NULL;
    g_auto(GStrv) words = NULL;

    setup();
    bus_client_close(client);
    create_many(1500);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    reply = LIST(1, "limit", "u", 100000);
    ids = read_ids(reply, &token);
    words = g_strsplit(ids, " ", -1);
    g_assert_cmpuint(g_strv_length(words), ==, LISTING_MAX_SERVICES);
    g_assert_cmpstr(token, ==, "service-00999");
    teardown();
}

static void create_large(unsigned n, size_t label_bytes)
{
    g_autofree char *value = g_strnfill(label_bytes, 'x');

    for (unsigned i = 0; i < n; i++) {
        g_autofree char *id = g_strdup_printf("large-%05u", i);
        g_autoptr(GHashTable) labels =
                g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
        CreateSpec spec = {.id = id, .kind = "process", .labels = labels};

        for (unsigned k = 0; k < 64; k++)
            g_hash_table_insert(labels, g_strdup_printf("label-%u", k), g_strdup(value));
        g_assert_nonnull(map_create(fixture.map, &spec, &origin_test, NULL));
    }
}

/* A page also ends when it is large, and goes on from there. */
static void test_large_pages(void)
{
    g_autofree char *token = g_strdup("");
    unsigned n_pages = 0, n_services = 0;

    setup();
    bus_client_close(client);
    create_large(90, 4096);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    do {
        g_autoptr(sd_bus_message) reply =
                LIST(2, "fields", "as", 1, "Labels", "page_token", "s", token);
        g_autofree char *ids = NULL;
        g_auto(GStrv) words = NULL;

        g_free(token);
        ids = read_ids(reply, &token);
        words = g_strsplit(ids, " ", -1);
        n_services += g_strv_length(words);
        n_pages++;
    } while (*token != '\0');
    g_assert_cmpuint(n_services, ==, 90);
    g_assert_cmpuint(n_pages, ==, 3);
    teardown();
}

static uint64_t managed_bytes_estimate(void)
{
    Service *service = NULL;
    uint64_t bytes = 0;

    while ((service = map_next(fixture.map, service != NULL ? service_id(service) : NULL)) != NULL)
        bytes += bus_service_bytes(service);
    return bytes;
}

/* What the values of a message take, by the D-Bus specification, "Marshaling". */
static void measure_value(sd_bus_message *message, uint64_t *offset);

static void measure_align(uint64_t *offset, uint64_t to)
{
    *offset = (*offset + to - 1) / to * to;
}

static void measure_container(sd_bus_message *message, char type, const char *contents,
                              uint64_t *offset)
{
    if (type == 'a') {
        measure_align(offset, 4);
        *offset += 4;
        measure_align(offset, strchr("({tx", *contents) != NULL ? 8 : 4);
    } else if (type == 'v') {
        *offset += strlen(contents) + 2;
    } else {
        measure_align(offset, 8);
    }
    g_assert_cmpint(sd_bus_message_enter_container(message, type, contents), >, 0);
    while (sd_bus_message_at_end(message, false) == 0)
        measure_value(message, offset);
    g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
}

static void measure_value(sd_bus_message *message, uint64_t *offset)
{
    const char *contents = NULL;
    uint64_t value = 0;
    const char *text;
    char type = 0;

    g_assert_cmpint(sd_bus_message_peek_type(message, &type, &contents), >, 0);
    if (contents != NULL) {
        measure_container(message, type, contents, offset);
    } else if (type == 's' || type == 'o') {
        g_assert_cmpint(sd_bus_message_read_basic(message, type, &text), >, 0);
        measure_align(offset, 4);
        *offset += 4 + strlen(text) + 1;
    } else {
        g_assert_cmpint(sd_bus_message_read_basic(message, type, &value), >, 0);
        measure_align(offset, type == 't' ? 8 : 4);
        *offset += type == 't' ? 8 : 4;
    }
}

static uint64_t managed_bytes_measured(void)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);
    uint64_t bytes = 0;

    g_assert_cmpint(sd_bus_message_rewind(reply, true), >=, 0);
    measure_value(reply, &bytes);
    return bytes;
}

static void assert_estimate_is_good(void)
{
    uint64_t estimate = managed_bytes_estimate(), measured = managed_bytes_measured();

    g_test_message("estimated %" G_GUINT64_FORMAT ", measured %" G_GUINT64_FORMAT, estimate,
                   measured);
    g_assert_cmpuint(estimate, >=, measured);
    g_assert_cmpuint(estimate, <, 2 * measured);
}

/* An upper bound, whatever grows: ids, errors, callers, labels, descriptions. */
static void test_estimate(void)
{
    g_autofree char *long_id = g_strnfill(255, '.');
    g_autofree char *text = g_strnfill(4000, 'x');
    BusClient *caller;

    setup();
    caller = client;
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    bus_fixture_create(&fixture, "small", "process", NULL, false);
    assert_estimate_is_good();
    long_id[0] = 'a';
    sd_bus_message_unref(bus_client_call(caller, ROOT, MANAGER, "CreateService", "sssa{sv}",
                                         long_id, "process", "{}", 2, "start", "b", 1,
                                         "description", "s", text));
    fake_apply_fail(map_find(fixture.map, long_id), text, true);
    assert_estimate_is_good();
    teardown();
}

static void test_managed_objects_limit(void)
{
    setup();
    bus_client_close(client);
    create_large(50, 4096);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_assert_cmpuint(managed_bytes_estimate(), <, BUS_MAX_MANAGED_OBJECTS_BYTES);
    assert_estimate_is_good();
    for (unsigned i = 0; i < 50; i++) {
        g_autofree char *id = g_strdup_printf("large-%05u", i);

        g_assert_true(map_delete(fixture.map, id, &origin_test, NULL, NULL, NULL));
    }
    create_large(100, 4096);
    g_assert_cmpuint(managed_bytes_estimate(), >, BUS_MAX_MANAGED_OBJECTS_BYTES);
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "ListServices", ROOT, OBJECT_MANAGER,
                       "GetManagedObjects", NULL);
    teardown();
}

/* The most services that there may be fit, and the bus need not ask them one by one. */
static void test_ten_thousand(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    unsigned n = 0;

    setup();
    bus_client_close(client);
    create_many(MAP_MAX_SERVICES);
    client = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_assert_cmpuint(managed_bytes_estimate(), <, BUS_MAX_MANAGED_OBJECTS_BYTES);
    reply = bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "{oa{sa{sv}}}"), >, 0);
    for (; sd_bus_message_at_end(reply, false) == 0; n++)
        g_assert_cmpint(sd_bus_message_skip(reply, "{oa{sa{sv}}}"), >=, 0);
    g_assert_cmpuint(n, ==, MAP_MAX_SERVICES);
    teardown();
}

/* Not the one that was asked for: sd-bus answers. */
static void test_managed_badly_called(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *text = NULL;

    setup();
    reply = bus_client_call(client, ROOT, OBJECT_MANAGER, "GetManagedObjects", NULL);
    text = message_to_text(reply);
    g_assert_cmpstr(text, ==, "a()");
    bus_client_refused(client, ERROR_INVALID_ARGS, NULL, ROOT, OBJECT_MANAGER, "GetManagedObjects",
                       "s", "all");
    teardown();
}

/* Events */

static char *event_serials(uint64_t after, uint32_t max, uint64_t *ret_oldest, uint64_t *ret_newest)
{
    g_autoptr(sd_bus_message) reply =
            bus_client_call(client, ROOT, MANAGER, "GetEvents", "tu", after, max);
    GString *serials = g_string_new(NULL);

    g_assert_cmpint(sd_bus_message_read(reply, "tt", ret_oldest, ret_newest), >, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_at_end(reply, false) == 0) {
        g_autoptr(GHashTable) event = message_read_properties(reply);

        g_string_append_printf(serials, "%s%s:%s", serials->len > 0 ? " " : "",
                               (char *)g_hash_table_lookup(event, "serial"),
                               (char *)g_hash_table_lookup(event, "type"));
    }
    return g_string_free(serials, FALSE);
}

static void assert_events(const char *expected, uint64_t after, uint32_t max)
{
    uint64_t oldest = 0, newest = 0;
    g_autofree char *serials = event_serials(after, max, &oldest, &newest);

    g_assert_cmpstr(serials, ==, expected);
    g_assert_cmpuint(oldest, ==, 1);
    g_assert_cmpuint(newest, ==, 3);
}

static void test_events(void)
{
    uint64_t oldest = 0, newest = 0;
    g_autofree char *none = NULL;

    setup();
    none = event_serials(0, 0, &oldest, &newest);
    g_assert_cmpstr(none, ==, "");
    g_assert_cmpuint(oldest, ==, newest + 1);
    fake_apply_ok(bus_fixture_create(&fixture, "web", "process", "{}", true));
    g_assert_true(service_stop(map_find(fixture.map, "web"), &origin_test, NULL));
    assert_events("1:Created 2:Transition 3:Transition", 0, 0);
    assert_events("2:Transition 3:Transition", 1, 0);
    assert_events("2:Transition", 1, 1);
    assert_events("", 3, 0);
    assert_events("", UINT64_MAX, 0);
    teardown();
}

/* One event is the signal that was sent, with the data beside the rest. */
static void test_event_is_the_signal(void)
{
    g_autoptr(sd_bus_message) reply = NULL;
    g_autofree char *answer = NULL, *signal = NULL, *data = NULL;

    setup();
    bus_fixture_create(&fixture, "web", "process", "{}", true);
    bus_client_clear(client);
    fake_apply_fail(map_find(fixture.map, "web"), "broken", true);
    bus_fixture_turn(&fixture);
    g_assert_cmpuint(client->signals->len, >=, 2); /* PropertiesChanged, Event, maybe figures */
    signal = message_to_text(g_ptr_array_index(client->signals, 1));
    reply = bus_client_call(client, ROOT, MANAGER, "GetEvents", "tu", (uint64_t)1, 0);
    answer = message_to_text(reply);
    data = g_strdup(strstr(signal, "a(") + 2);
    data[strlen(data) - 1] = '\0';
    g_assert_nonnull(strstr(data, "e(error v(broken ) )"));
    g_assert_nonnull(strstr(answer, data));
    teardown();
}

static void test_glob(void)
{
    static const struct {
        const char *pattern;
        const char *string;
        bool matches;
    } rows[] = {
            {"", "", true},          {"", "a", false},         {"*", "", true},
            {"*", "anything", true}, {"a*", "abc", true},      {"*c", "abc", true},
            {"*b*", "abc", true},    {"a*d", "abc", false},    {"a?c", "abc", true},
            {"?", "", false},        {"a**c", "ac", true},     {"[abc]x", "bx", true},
            {"[a-c]x", "bx", true},  {"[!a-c]x", "bx", false}, {"[^a-c]x", "dx", true},
            {"[]]", "]", true},      {"[!]]", "]", false},     {"[a-]", "-", true},
            {"[a", "[a", true},      {"[", "[", true},         {"\\*", "*", true},
            {"\\*", "a", false},     {"a\\", "a\\", true},     {"web@*.b", "web@1.a.b", true},
            {"*a*b", "aabxb", true}, {"*ab", "aab", true},     {"abc", "ab", false},
            {"ab", "abc", false},    {"***", "", true},        {"a*b*c", "aXbYbZc", true},
            {"*a", "b", false},      {"**a?", "xaab", true},   {"[z-a]", "b", false},
            {"[b-]*", "-x", true},   {"*[!x]", "ax", false},   {"*a*", "", false},
    };
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Glob) glob = glob_new(rows[i].pattern);

        if (glob_matches(glob, rows[i].string) != rows[i].matches)
            g_error("'%s' and '%s'", rows[i].pattern, rows[i].string);
    }
}

/* Patterns that take naive matchers ages; ten thousand ids each. */
static void test_glob_hostile(void)
{
    static const char *const parts[][2] = {{"a*", "b"}, {"*", "["}, {"*[", "b"}, {"*[!b-", "z]b"}};
    g_autofree char *string = g_strnfill(255, 'a');
    int64_t begin = g_get_monotonic_time();

    for (size_t i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autoptr(GString) pattern = g_string_new(NULL);
        g_autoptr(Glob) glob = NULL;

        while (pattern->len + strlen(parts[i][0]) + strlen(parts[i][1]) <= GLOB_MAX_BYTES)
            g_string_append(pattern, parts[i][0]);
        g_string_append(pattern, parts[i][1]);
        glob = glob_new(pattern->str);
        for (unsigned k = 0; k < 10000; k++)
            g_assert_false(glob_matches(glob, string));
    }
    g_assert_cmpint(g_get_monotonic_time() - begin, <, 10 * G_USEC_PER_SEC);
}

static void test_pattern_limit(void)
{
    g_autofree char *longest = g_strnfill(GLOB_MAX_BYTES, '*');
    g_autofree char *longer = g_strnfill(GLOB_MAX_BYTES + 1, '*');

    setup();
    bus_fixture_create(&fixture, "web", "fake", NULL, false);
    assert_ids("web", "", LIST(1, "pattern", "s", longest));
    bus_client_refused(client, ERROR_LIMIT_EXCEEDED, "option 'pattern': it is 1025 bytes long",
                       ROOT, MANAGER, "ListServices", "a{sv}", 1, "pattern", "s", longer);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/listing/filters", test_filters);
    g_test_add_func("/listing/fields", test_fields);
    g_test_add_func("/listing/pages", test_pages);
    g_test_add_func("/listing/most", test_most);
    g_test_add_func("/listing/large-pages", test_large_pages);
    g_test_add_func("/listing/estimate", test_estimate);
    g_test_add_func("/listing/managed-objects-limit", test_managed_objects_limit);
    g_test_add_func("/listing/managed-badly-called", test_managed_badly_called);
    g_test_add_func("/listing/ten-thousand", test_ten_thousand);
    g_test_add_func("/listing/events", test_events);
    g_test_add_func("/listing/event-is-the-signal", test_event_is_the_signal);
    g_test_add_func("/glob/table", test_glob);
    g_test_add_func("/glob/hostile", test_glob_hostile);
    g_test_add_func("/listing/pattern-limit", test_pattern_limit);
    return g_test_run();
}
