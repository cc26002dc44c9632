/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Values are chosen by their type alone: most of the words that the daemon knows are strings, and a
 * method gets the right ones often enough by chance. Configurations that come out of a mutation
 * name a program that is not there. */

#include "nasty.h"

#include <signal.h>
#include <string.h>

#define NASTY_DEPTH_MAX 6
#define NASTY_HUGE_BYTES (1024 * 1024 + 1)

const char *const nasty_ids[] = {"web", "db", "b.c",  "d-e", "f@g", "h:i",    "j_k",
                                 "0",   "Z",  "_2e1", "a.b", "aux", "worker", NULL};

const char *const nasty_configs[] = {
        "{\"exec\":[\"/bin/sleep\",\"1000\"]}",
        "{\"exec\":[\"sleep\",\"0.02\"],\"restart\":{\"policy\":\"always\",\"initial_delay\":0}}",
        "{\"exec\":[\"/bin/true\"],\"restart\":{\"policy\":\"no\"}}",
        "{\"exec\":[\"/bin/false\"],\"restart\":{\"initial_delay\":\"10ms\",\"max_attempts\":3}}",
        "{\"exec\":[\"/bin/false\"],\"restart\":{\"initial_delay\":0},\"start_limit\":{\"burst\":"
        "5}}",
        "{\"exec\":[\"/bin/"
        "sleep\",\"1000\"],\"stop_signal\":\"SIGCONT\",\"stop_timeout\":\"50ms\"}",
        "{\"exec\":[\"/nonexistent/program\"]}",
        "{\"exec\":[\"/bin/true\"],\"working_directory\":\"/nonexistent\"}",
        "{\"exec\":[\"/bin/sleep\",\"1000\"],\"environment\":{\"A\":\"\\u001b[31m\"},"
        "\"$comment\":\"\\u202e\"}",
        "{\"exec\":[\"/bin/sleep\",\"1000\"],\"requires\":[\"db\"],\"after\":[\"aux\"],"
        "\"keep_up\":{\"grace\":\"10ms\"}}",
        "{\"exec\":[\"sleep\",\"0.02\"],\"restart\":{\"policy\":\"no\"},\"wants\":[\"worker\"],"
        "\"part_of\":[\"web\"],\"conflicts\":[\"Z\"],\"before\":[\"0\"]}",
        NULL};

static const char nasty_mutable_config[] =
        "{\"$comment\":{\"x\":[1,\"\\u00e9\"]},\"exec\":[\"/nonexistent/program\",\"a\"],"
        "\"environment\":{\"A\":\"1\"},\"umask\":\"0022\",\"stop_signal\":\"SIGTERM\","
        "\"success_exit_status\":[0,\"SIGHUP\"],\"start_timeout\":\"15s\","
        "\"restart\":{\"policy\":\"on-failure\",\"factor\":1.5,\"max_delay\":30}}";

/* What is in the methods and options of the interfaces. */
static const char *const nasty_words[] = {"process",
                                          "oneshot",
                                          "group",
                                          "invalid",
                                          "",
                                          "main",
                                          "all",
                                          "settled",
                                          "active",
                                          "inactive",
                                          "ready",
                                          "failed",
                                          "backoff",
                                          "stopping",
                                          "Id",
                                          "State",
                                          "Error",
                                          "Labels",
                                          "EventSerial",
                                          "MainPID",
                                          "StatusText",
                                          "NServices",
                                          "KindCounts",
                                          "LastTransition",
                                          "org.svcmgr1.Manager",
                                          "org.svcmgr1.Service",
                                          "org.svcmgr1.Process",
                                          "org.svcmgr1",
                                          "org.freedesktop.DBus",
                                          "org.freedesktop.DBus.Properties",
                                          "w*",
                                          "*",
                                          "[!a]?*",
                                          "[",
                                          ":1.1",
                                          "type='signal'",
                                          NULL};

static const char *const nasty_texts[] = {"\x1b[31m\x07",
                                          "a\nsvcmgrd[error]: forged",
                                          "%s%n%d%99999999s",
                                          "../../etc/passwd",
                                          "/",
                                          "\xe2\x80\xae gnp.exe",
                                          "\xf0\x9f\x91\xa9\xe2\x80\x8d\xf0\x9f\x91\xa9",
                                          "{}",
                                          "[]",
                                          "{\"exec\":",
                                          "\"",
                                          "\\",
                                          "-1",
                                          "18446744073709551616",
                                          "$(true)",
                                          "'; --",
                                          " ",
                                          ".",
                                          "-",
                                          "_",
                                          "__",
                                          NULL};

/* Of the options, with the type that they have. */
static const struct {
    const char *name;
    const char *type;
} nasty_options[] = {
        {"start", "b"},        {"labels", "a{ss}"},   {"description", "s"}, {"allow_missing", "b"},
        {"ids", "as"},         {"kinds", "as"},       {"states", "as"},     {"pattern", "s"},
        {"fields", "as"},      {"limit", "u"},        {"page_token", "s"},  {"until", "s"},
        {"after_serial", "t"}, {"timeout_usec", "t"},
};

static const char *const nasty_types[] = {
        "y", "b",  "n",  "q",   "i",     "u",        "x",    "t",       "d",       "s",   "o", "g",
        "v", "as", "av", "aas", "a{sv}", "a{s(iv)}", "(sv)", "a(tays)", "(((y)))", "aay", NULL};

unsigned nasty_random(unsigned below)
{
    return below > 1 ? (unsigned)g_test_rand_int_range(0, (int)below) : 0;
}

bool nasty_once_in(unsigned n)
{
    return nasty_random(n) == 0;
}

const char *nasty_pick(const char *const *words)
{
    return words[nasty_random(g_strv_length((char **)words))];
}

/* Numbers */

static uint64_t nasty_number(void)
{
    static const uint64_t telling[] = {0,          1,         2,          9,         15,
                                       64,         65,        255,        INT16_MAX, UINT16_MAX,
                                       INT32_MAX,  INT32_MIN, UINT32_MAX, INT64_MAX, INT64_MIN,
                                       UINT64_MAX, 1000,      1000000000, 4096,      (uint64_t)-1};

    if (nasty_once_in(2))
        return telling[nasty_random(G_N_ELEMENTS(telling))];
    return (uint64_t)(uint32_t)g_test_rand_int() << nasty_random(33) >> nasty_random(33);
}

static double nasty_real(void)
{
    static const double telling[] = {0, -0.0, 1e308, -1e308, 5e-324, G_PI};

    return telling[nasty_random(G_N_ELEMENTS(telling))];
}

/* Strings */

static char *nasty_filled(void)
{
    static const unsigned lengths[] = {1, 255, 256, 1024, 1025, 4097, 65536};
    static const char bytes[] = "a*[./_\x01\x1b";
    unsigned length =
            nasty_once_in(200) ? NASTY_HUGE_BYTES : lengths[nasty_random(G_N_ELEMENTS(lengths))];

    return g_strnfill(length, bytes[nasty_random(sizeof(bytes) - 1)]);
}

static char *nasty_mutated_config(void)
{
    char *text = g_strdup(nasty_mutable_config);
    unsigned length = (unsigned)strlen(text);

    for (unsigned n = nasty_random(4); n > 0; n--)
        text[nasty_random(length)] = (char)(1 + nasty_random(127));
    if (nasty_once_in(4))
        text[nasty_random(length)] = '\0';
    return text;
}

static char *nasty_string(void)
{
    switch (nasty_random(8)) {
    case 0:
    case 1:
        return g_strdup(nasty_pick(nasty_ids));
    case 2:
    case 3:
        return g_strdup(nasty_pick(nasty_words));
    case 4:
        return g_strdup(nasty_pick(nasty_configs));
    case 5:
        return nasty_mutated_config();
    case 6:
        return nasty_filled();
    default:
        return g_strdup(nasty_pick(nasty_texts));
    }
}

char *nasty_path(void)
{
    static const char *const paths[] = {"/org/svcmgr1",
                                        "/",
                                        "/org",
                                        "/org/svcmgr1/service",
                                        "/org/svcmgr1/service/_",
                                        "/org/svcmgr1/service/_zz",
                                        "/org/svcmgr1/service/web/more",
                                        "/org/freedesktop/DBus",
                                        NULL};
    char *path = NULL;

    if (nasty_once_in(2))
        return g_strdup(nasty_pick(paths));
    if (sd_bus_path_encode("/org/svcmgr1/service", nasty_pick(nasty_ids), &path) < 0)
        g_assert_not_reached();
    return path;
}

/* Messages */

static size_t nasty_type_length(const char *signature)
{
    size_t length = 1;

    if (*signature == 'a')
        return 1 + nasty_type_length(signature + 1);
    if (*signature != '(' && *signature != '{')
        return 1;
    while (signature[length] != ')' && signature[length] != '}')
        length += nasty_type_length(signature + length);
    return length + 1;
}

static int nasty_append_text(sd_bus_message *message, char type)
{
    g_autofree char *text = type == 'o'   ? nasty_path()
                            : type == 'g' ? g_strdup(nasty_pick(nasty_types))
                                          : nasty_string();

    return sd_bus_message_append_basic(message, type, text);
}

static int nasty_append_basic(sd_bus_message *message, char type)
{
    uint64_t number = nasty_number();
    double real = nasty_real();
    int boolean = (int)nasty_random(2);

    if (strchr("sog", type) != NULL)
        return nasty_append_text(message, type);
    if (type == 'b')
        return sd_bus_message_append_basic(message, type, &boolean);
    if (type == 'd')
        return sd_bus_message_append_basic(message, type, &real);
    return sd_bus_message_append_basic(message, type, &number); /* little endian: the low bytes */
}

static int nasty_append_types(sd_bus_message *message, const char *signature, unsigned depth);

static int nasty_append_contained(sd_bus_message *message, char type, const char *contents,
                                  unsigned depth)
{
    unsigned n = type == 'a' ? nasty_random(4) : 1;
    int r = sd_bus_message_open_container(message, type, contents);

    for (; r >= 0 && n > 0; n--)
        r = nasty_append_types(message, contents, depth + 1);
    return r < 0 ? r : sd_bus_message_close_container(message);
}

/* A dictionary of options: keys that are known, mostly with their type. */
static int nasty_append_options(sd_bus_message *message, unsigned depth)
{
    int r = sd_bus_message_open_container(message, 'a', "{sv}");

    for (unsigned n = nasty_random(4); r >= 0 && n > 0; n--) {
        unsigned option = nasty_random(G_N_ELEMENTS(nasty_options));
        g_autofree char *key =
                nasty_once_in(6) ? nasty_string() : g_strdup(nasty_options[option].name);
        const char *type = nasty_once_in(6) ? nasty_pick(nasty_types) : nasty_options[option].type;

        r = sd_bus_message_open_container(message, 'e', "sv");
        if (r >= 0)
            r = sd_bus_message_append_basic(message, 's', key);
        if (r >= 0)
            r = nasty_append_contained(message, 'v', type, depth + 1);
        if (r >= 0)
            r = sd_bus_message_close_container(message);
    }
    return r < 0 ? r : sd_bus_message_close_container(message);
}

static int nasty_append_type(sd_bus_message *message, const char *type, unsigned depth)
{
    g_autofree char *inner = NULL;
    size_t length = strlen(type);

    switch (type[0]) {
    case 'v':
        return nasty_append_contained(
                message, 'v', depth < NASTY_DEPTH_MAX ? nasty_pick(nasty_types) : "y", depth);
    case 'a':
        if (g_str_equal(type, "a{sv}") && !nasty_once_in(8))
            return nasty_append_options(message, depth);
        return nasty_append_contained(message, 'a', type + 1, depth);
    case '(':
    case '{':
        inner = g_strndup(type + 1, length - 2);
        return nasty_append_contained(message, type[0] == '(' ? 'r' : 'e', inner, depth);
    default:
        return nasty_append_basic(message, type[0]);
    }
}

static int nasty_append_types(sd_bus_message *message, const char *signature, unsigned depth)
{
    int r = 0;

    while (*signature != '\0' && r >= 0) {
        size_t length = nasty_type_length(signature);
        g_autofree char *type = g_strndup(signature, length);

        r = nasty_append_type(message, type, depth);
        signature += length;
    }
    return r;
}

int nasty_append(sd_bus_message *message, const char *signature)
{
    return nasty_append_types(message, signature, 0);
}

char *nasty_near_miss(const char *signature)
{
    GString *miss = g_string_new(NULL);
    unsigned n_types = 0, at;

    for (const char *type = signature; *type != '\0'; type += nasty_type_length(type))
        n_types++;
    at = nasty_random(n_types + 1);
    for (unsigned i = 0; i <= n_types; i++) {
        size_t length = *signature != '\0' ? nasty_type_length(signature) : 0;

        if (i == at)
            g_string_append(miss, nasty_pick(nasty_types));
        if (i != at || nasty_once_in(2)) /* else it came in the place of this one */
            g_string_append_len(miss, signature, (gssize)length);
        signature += length;
    }
    return g_string_free(miss, FALSE);
}
