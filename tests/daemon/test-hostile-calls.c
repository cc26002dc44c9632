/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Calls that a library sends without a word, and that are wrong all the same: each is refused under
 * a name that fits, with a text that says what was expected, and changes nothing. What is wrong
 * with the signature is made from the XML, so that no method is left out. */

#include "hostile.h"
#include "support/contract.h"

#include <string.h>

#define DBUS_ERROR "org.freedesktop.DBus.Error."
#define OUR_ERROR "org.svcmgr1.Error."
#define PROPERTIES "org.freedesktop.DBus.Properties"
#define N_REPEATED 3
#define SLACK_BYTES (256 * 1024)

static const char *path_of(const Hostile *hostile, const char *interface)
{
    return g_str_equal(interface, CLIENT_MANAGER) ? CLIENT_ROOT : hostile->service_path;
}

/* Calls and asserts that the answer is this error; gives its text. */
static char *refused(Client *client, sd_bus_message *call, const char *error_name)
{
    sd_bus_error error = SD_BUS_ERROR_NULL;
    int r = sd_bus_call(client->bus, call, 0, &error, NULL);
    char *text = g_strdup(error.message);

    g_assert_cmpint(r, <, 0);
    g_assert_cmpstr(error.name, ==, error_name);
    g_assert_nonnull(text);
    g_assert_cmpuint(strlen(text), >, 0);
    g_assert_cmpuint(strlen(text), <, 1024);
    sd_bus_error_free(&error);
    sd_bus_message_unref(call);
    return text;
}

static sd_bus_message *new_call(const Client *client, const char *path, const char *interface,
                                const char *member)
{
    sd_bus_message *call = NULL;

    g_assert_cmpint(sd_bus_message_new_method_call(client->bus, &call, client->destination, path,
                                                   interface, member),
                    >=, 0);
    return call;
}

/* Signatures */

/* One value of each type that occurs in the interfaces. */
static void append_value(sd_bus_message *call, const char *type)
{
    int r = g_str_equal(type, "s")       ? sd_bus_message_append(call, type, "web")
            : g_str_equal(type, "a{sv}") ? sd_bus_message_append(call, type, 0)
            : g_str_equal(type, "as")    ? sd_bus_message_append(call, type, 1, "web")
            : g_str_equal(type, "t")     ? sd_bus_message_append(call, type, (uint64_t)1)
                                         : sd_bus_message_append(call, type, 1);

    g_assert_cmpint(r, >=, 0);
}

/* The length of the first complete type of those that occur. */
static size_t type_length(const char *signature)
{
    return g_str_has_prefix(signature, "a{sv}") ? strlen("a{sv}")
           : g_str_has_prefix(signature, "as")  ? strlen("as")
                                                : 1;
}

static void append_values(sd_bus_message *call, const char *signature)
{
    for (size_t length; *signature != '\0'; signature += length) {
        g_autofree char *type = g_strndup(signature, length = type_length(signature));

        append_value(call, type);
    }
}

static void check_signature(Hostile *hostile, const char *interface, const char *method,
                            const char *expected, const char *sent)
{
    Client *client = hostile->daemon.client;
    sd_bus_message *call = new_call(client, path_of(hostile, interface), interface, method);

    append_values(call, sent);
    g_autofree char *text = refused(client, call, DBUS_ERROR "InvalidArgs");
    g_autofree char *wanted = g_strdup_printf("expecting '%s'", expected);
    if (strstr(text, wanted) == NULL || strstr(text, method) == NULL)
        g_error("%s.%s with '%s': %s", interface, method, sent, text);
}

/* Left out, one too many, and of another type. */
static void check_method(Hostile *hostile, const char *interface, const char *method,
                         const char *expected)
{
    g_autofree char *more = g_strconcat(expected, "s", NULL);

    check_signature(hostile, interface, method, expected, more);
    for (const char *at = expected; *at != '\0'; at += type_length(at)) {
        const char *rest = at + type_length(at);
        const char *other = *at == 's' ? "t" : "s";
        int before = (int)(at - expected);
        g_autofree char *fewer = g_strdup_printf("%.*s%s", before, expected, rest);
        g_autofree char *wrong = g_strdup_printf("%.*s%s%s", before, expected, other, rest);

        check_signature(hostile, interface, method, expected, fewer);
        check_signature(hostile, interface, method, expected, wrong);
    }
}

static Contract *load_contract(void)
{
    g_autoptr(GError) error = NULL;
    Contract *contract = contract_load(g_getenv("INTERFACES"), &error);

    g_assert_no_error(error);
    return contract;
}

static void attack_signatures(Hostile *hostile)
{
    g_autoptr(Contract) contract = load_contract();
    unsigned n = 0;

    for (const char *const *name = contract_interfaces(contract); *name != NULL; name++) {
        g_autofree const char **methods = contract_methods(contract, *name);

        for (const char **method = methods; *method != NULL; method++, n++)
            check_method(hostile, *name, *method, contract_arguments(contract, *name, *method));
    }
    g_assert_cmpuint(n, >, 15);
}

static void test_signatures(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_signatures);
}

/* Every property is read only, and each only under its interface. */
static void attack_properties(Hostile *hostile)
{
    g_autoptr(Contract) contract = load_contract();
    Client *client = hostile->daemon.client;

    for (const char *const *name = contract_interfaces(contract); *name != NULL; name++) {
        g_autofree const char **properties = contract_properties(contract, *name);

        g_assert_nonnull(properties[0]);
        for (const char **property = properties; *property != NULL; property++) {
            const char *path = path_of(hostile, *name);
            g_autofree char *text =
                    client_call_refused(client, DBUS_ERROR "PropertyReadOnly", path, PROPERTIES,
                                        "Set", "ssv", *name, *property, "s", "x");
            g_assert_nonnull(strstr(text, *property));
            g_free(client_call_refused(client, DBUS_ERROR "UnknownProperty", path, PROPERTIES,
                                       "Get", "ss", *name, "Nothing"));
        }
    }
}

static void test_properties(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_properties);
}

/* Who and what there is not */

#define SERVICES CLIENT_ROOT "/service"
#define UNKNOWN DBUS_ERROR "Unknown"

static const struct {
    const char *path, *interface, *member, *error;
} strangers[] = {
        {SERVICES "/gone", CLIENT_SERVICE, "Start", UNKNOWN "Object"},
        {SERVICES "/_77eb", CLIENT_SERVICE, "GetState", UNKNOWN "Object"},
        {SERVICES "/_77e", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/w_eb", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/web/web", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/_", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/_2e", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/_2e_2e", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/_00", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/_ff_fe", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/web_00", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/web_0a", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES "/WEB", CLIENT_SERVICE, "Stop", UNKNOWN "Object"},
        {SERVICES, CLIENT_SERVICE, "Stop", UNKNOWN "Method"},
        {CLIENT_ROOT, CLIENT_SERVICE, "Stop", UNKNOWN "Method"},
        {"/", CLIENT_MANAGER, "ListKinds", UNKNOWN "Object"},
        {"/org", CLIENT_MANAGER, "ListKinds", UNKNOWN "Object"},
        {"/org/svcmgr2", CLIENT_MANAGER, "ListKinds", UNKNOWN "Object"},
        {CLIENT_ROOT, CLIENT_MANAGER, "listKinds", UNKNOWN "Method"},
        {CLIENT_ROOT, CLIENT_MANAGER, "Shutdown", UNKNOWN "Method"},
        {CLIENT_ROOT, "org.svcmgr2.Manager", "ListKinds", UNKNOWN "Method"},
        {SERVICES "/web", CLIENT_SERVICE, "start", UNKNOWN "Method"},
        {SERVICES "/web", CLIENT_PROCESS, "Start", UNKNOWN "Method"},
        {SERVICES "/web", CLIENT_MANAGER, "ListKinds", UNKNOWN "Method"},
        {CLIENT_ROOT, "org.freedesktop.DBus.Peer", "Pong", UNKNOWN "Method"},
};

static void attack_strangers(Hostile *hostile)
{
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        sd_bus_message *call =
                new_call(client, strangers[i].path, strangers[i].interface, strangers[i].member);
        g_autofree char *text = refused(client, call, strangers[i].error);

        g_assert_true(strstr(text, strangers[i].path) != NULL ||
                      strstr(text, strangers[i].member) != NULL);
    }
}

static void test_strangers(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_strangers);
}

/* Ids */

static const char *const ids[] = {
        ".",    "..",     "a/b",       "../etc",     "-web", ".web",  "a b",   "web\n",
        "\x01", "\u00e9", "we\u200bb", "\U0001f600", "a\\b", "%s%n",  "a_2f*", "\"",
        " ",    "\t",     "web ",      " web",       "a;b",  "$(id)", "\x7f",  "web/",
};

static void check_id(Client *client, const char *id)
{
    g_autofree char *created =
            client_call_refused(client, OUR_ERROR "InvalidId", CLIENT_ROOT, CLIENT_MANAGER,
                                "CreateService", "sssa{sv}", id, "process", "", 0);
    g_autofree char *got = client_call_refused(client, OUR_ERROR "NotFound", CLIENT_ROOT,
                                               CLIENT_MANAGER, "GetService", "s", id);
    g_autofree char *deleted =
            client_call_refused(client, OUR_ERROR "NotFound", CLIENT_ROOT, CLIENT_MANAGER,
                                "DeleteService", "sa{sv}", id, 0);
    const char *texts[] = {created, got, deleted};

    for (size_t i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_assert_cmpuint(strlen(texts[i]), <, 256);
        for (const char *c = texts[i]; *c != '\0'; c++)
            g_assert_true((unsigned char)*c >= ' ' && *c != '\x7f');
    }
}

static void attack_ids(Hostile *hostile)
{
    g_autofree char *long_id = g_strnfill(256, 'a'), *huge_id = g_strnfill(65536, 'a');
    g_autofree char *huge_bytes = g_strnfill(65536, '\n');
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(ids); i++)
        check_id(client, ids[i]);
    check_id(client, long_id);
    check_id(client, huge_id);
    check_id(client, huge_bytes);
    g_free(client_call_refused(client, OUR_ERROR "IdExists", CLIENT_ROOT, CLIENT_MANAGER,
                               "CreateService", "sssa{sv}", "web", "process", "", 0));
    g_free(client_call_refused(client, OUR_ERROR "NotFound", CLIENT_ROOT, CLIENT_MANAGER,
                               "GetService", "s", ""));
    g_free(client_call_refused(client, OUR_ERROR "UnknownKind", CLIENT_ROOT, CLIENT_MANAGER,
                               "CreateService", "sssa{sv}", "x", huge_id, "", 0));
    g_free(client_call_refused(client, OUR_ERROR "UnknownKind", CLIENT_ROOT, CLIENT_MANAGER,
                               "GetKindSchema", "s", huge_bytes));
}

static void test_ids(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_ids);
}

/* Those that look like something else, and are allowed: the path says them unmistakably. */
static void test_odd_ids(Hostile *hostile, const void *unused)
{
    static const char *const odd[] = {"_2e",    "_",       "__",         "_7",          "a_2fb",
                                      "web_00", "2e",      "a..b",       "a@b:c-d_e.f", "@",
                                      ":",      "service", "org.svcmgr1"};
    g_autofree char *longest = g_strnfill(255, 'z');
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i <= G_N_ELEMENTS(odd); i++) {
        const char *id = i < G_N_ELEMENTS(odd) ? odd[i] : longest;
        g_autofree char *path = client_service_path(id);

        client_create(client, id, "process", "", false);
        g_autofree char *seen = client_get_string(client, path, CLIENT_SERVICE, "Id");
        g_assert_cmpstr(seen, ==, id);
    }
    g_free(client_call_refused(client, DBUS_ERROR "UnknownObject", CLIENT_ROOT "/service/7up",
                               CLIENT_SERVICE, "GetState", NULL));
    hostile_assert_unharmed(hostile);
}

/* Signals */

static void test_signals(Hostile *hostile, const void *unused)
{
    static const int32_t numbers[] = {0, -1, 65, 66, 128, 1000, INT32_MAX, INT32_MIN};
    static const char *const whoms[] = {"", "MAIN", "main ", "everybody", "\u00e9\n", "1"};
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(numbers); i++) {
        g_autofree char *text =
                client_call_refused(client, DBUS_ERROR "InvalidArgs", hostile->service_path,
                                    CLIENT_SERVICE, "Signal", "si", "all", numbers[i]);
        g_autofree char *number = g_strdup_printf("1 to 64, got %d", numbers[i]);
        g_assert_nonnull(strstr(text, number));
    }
    for (size_t i = 0; i < G_N_ELEMENTS(whoms); i++) {
        g_autofree char *text =
                client_call_refused(client, DBUS_ERROR "InvalidArgs", hostile->service_path,
                                    CLIENT_SERVICE, "Signal", "si", whoms[i], 15);
        g_assert_nonnull(strstr(text, "expected main or all"));
    }
    hostile_assert_unharmed(hostile);
}

/* Options */

typedef struct OptionRow {
    const char *member;
    const char *before;  /* types of the arguments before the options, all strings "web" */
    const char *options; /* the known ones */
} OptionRow;

static const OptionRow option_rows[] = {
        {"ListServices", "", "ids kinds states pattern fields limit page_token"},
        {"CreateService", "sss", "start labels description"},
        {"DeleteService", "s", "allow_missing"},
        {"Wait", "", "until after_serial timeout_usec"},
};

/* Types that no option has, of every form. */
static const char *const option_types[] = {"y", "n", "d", "o", "g", "x", "ay", "a{sv}", "(s)", "v"};

static void append_odd_value(sd_bus_message *call, const char *type)
{
    int r = g_str_equal(type, "a{sv}") || g_str_equal(type, "ay")
                    ? sd_bus_message_append(call, type, 0)
            : g_str_equal(type, "d")   ? sd_bus_message_append(call, type, 1.0)
            : g_str_equal(type, "o")   ? sd_bus_message_append(call, type, "/")
            : g_str_equal(type, "g")   ? sd_bus_message_append(call, type, "s")
            : g_str_equal(type, "x")   ? sd_bus_message_append(call, type, (int64_t)1)
            : g_str_equal(type, "(s)") ? sd_bus_message_append(call, type, "x")
            : g_str_equal(type, "v")   ? sd_bus_message_append(call, type, "s", "x")
                                       : sd_bus_message_append(call, type, 1);

    g_assert_cmpint(r, >=, 0);
}

static char *refused_option(Hostile *hostile, const OptionRow *row, const char *key,
                            const char *type)
{
    bool is_wait = g_str_equal(row->member, "Wait");
    Client *client = hostile->daemon.client;
    sd_bus_message *call = new_call(client, is_wait ? hostile->service_path : CLIENT_ROOT,
                                    is_wait ? CLIENT_SERVICE : CLIENT_MANAGER, row->member);

    append_values(call, row->before);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{sv}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'e', "sv"), >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "s", key), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'v', type), >=, 0);
    append_odd_value(call, type);
    for (unsigned i = 0; i < 3; i++)
        g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
    return refused(client, call, DBUS_ERROR "InvalidArgs");
}

static void attack_options(Hostile *hostile)
{
    g_autofree char *huge = g_strnfill(65536, 'k');
    const char *unknown[] = {"", "x", "START", "start ", "\n", "\u00e9", huge};

    for (size_t i = 0; i < G_N_ELEMENTS(option_rows); i++) {
        g_auto(GStrv) options = g_strsplit(option_rows[i].options, " ", -1);

        for (char **option = options; *option != NULL; option++) {
            for (size_t k = 0; k < G_N_ELEMENTS(option_types); k++) {
                g_autofree char *text =
                        refused_option(hostile, &option_rows[i], *option, option_types[k]);
                g_autofree char *got = g_strdup_printf(", got %s", option_types[k]);
                g_assert_nonnull(strstr(text, *option));
                g_assert_nonnull(strstr(text, got));
            }
        }
        for (size_t k = 0; k < G_N_ELEMENTS(unknown); k++) {
            g_autofree char *text = refused_option(hostile, &option_rows[i], unknown[k], "v");
            g_assert_nonnull(strstr(text, "known: "));
            g_assert_nonnull(strstr(text, options[0]));
        }
    }
}

static void test_options(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, N_REPEATED, SLACK_BYTES, attack_options);
}

/* Arrays of 16 MiB: of options, and of strings in one. They cost the time to read them. */

#define N_LARGE (512 * 1024)

static void append_many_options(sd_bus_message *call)
{
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{sv}"), >=, 0);
    for (unsigned i = 0; i < N_LARGE; i++)
        g_assert_cmpint(sd_bus_message_append(call, "{sv}", "limit", "u", 1), >=, 0);
    g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
}

static void append_many_ids(sd_bus_message *call)
{
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "{sv}"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'e', "sv"), >=, 0);
    g_assert_cmpint(sd_bus_message_append(call, "s", "ids"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'v', "as"), >=, 0);
    g_assert_cmpint(sd_bus_message_open_container(call, 'a', "s"), >=, 0);
    for (unsigned i = 0; i < N_LARGE; i++)
        g_assert_cmpint(sd_bus_message_append(call, "s", "a name that is not there"), >=, 0);
    for (unsigned i = 0; i < 4; i++)
        g_assert_cmpint(sd_bus_message_close_container(call), >=, 0);
}

static void attack_arrays(Hostile *hostile)
{
    static const struct {
        void (*append)(sd_bus_message *call);
        const char *error, *text;
    } arrays[] = {
            {append_many_options, DBUS_ERROR "InvalidArgs", "'limit' is given twice"},
            {append_many_ids, OUR_ERROR "LimitExceeded", "'ids' has more than 16384 entries"},
    };
    Client *client = client_new_private(hostile->daemon.socket);

    for (size_t i = 0; i < G_N_ELEMENTS(arrays); i++) {
        sd_bus_message *call = new_call(client, CLIENT_ROOT, CLIENT_MANAGER, "ListServices");

        arrays[i].append(call);
        g_autofree char *text = refused(client, call, arrays[i].error);
        g_assert_nonnull(strstr(text, arrays[i].text));
    }
    client_free(client);
}

static void test_arrays(Hostile *hostile, const void *unused)
{
    hostile_repeat(hostile, 1, 4 * SLACK_BYTES, attack_arrays);
}

/* Nobody wants to hear what was wrong: nothing is said. */
static void test_no_reply(Hostile *hostile, const void *unused)
{
    Client *client = hostile->daemon.client;

    for (size_t i = 0; i < G_N_ELEMENTS(strangers); i++) {
        sd_bus_message *call =
                new_call(client, strangers[i].path, strangers[i].interface, strangers[i].member);

        g_assert_cmpint(sd_bus_message_set_expect_reply(call, false), >=, 0);
        g_assert_cmpint(sd_bus_send(client->bus, call, NULL), >=, 0);
        sd_bus_message_unref(call);
    }
    sd_bus_message *wait = new_call(client, hostile->service_path, CLIENT_SERVICE, "Wait");
    g_assert_cmpint(sd_bus_message_append(wait, "a{sv}", 1, "until", "s", "inactive"), >=, 0);
    g_assert_cmpint(sd_bus_message_set_expect_reply(wait, false), >=, 0);
    g_assert_cmpint(sd_bus_send(client->bus, wait, NULL), >=, 0);
    sd_bus_message_unref(wait);
    hostile_assert_unharmed(hostile);
}

#define ADD(path, function)                                                                        \
    g_test_add("/hostile-calls/" path, Hostile, NULL, hostile_set_up, function, hostile_tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("signatures", test_signatures);
    ADD("properties", test_properties);
    ADD("strangers", test_strangers);
    ADD("ids", test_ids);
    ADD("odd-ids", test_odd_ids);
    ADD("signals", test_signals);
    ADD("options", test_options);
    ADD("arrays", test_arrays);
    ADD("no-reply", test_no_reply);
    return g_test_run();
}
