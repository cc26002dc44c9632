/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What every kind's configuration has in common. */

#include "core-fixture.h"

#include "base/errors.h"

static Config *parse(const char *text, GError **error)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(&kind_fake, text, strlen(text), problems);
    if (config == NULL)
        g_propagate_error(error, problems_to_error(problems));
    return config;
}

static void test_defaults(void)
{
    g_autoptr(Config) config = parse("{}", NULL);
    const CommonConfig *common = &config->common;
    g_assert_cmpint(common->restart.mode, ==, RESTART_ON_FAILURE);
    g_assert_cmpuint(common->restart.backoff.initial_usec, ==, 500000);
    g_assert_cmpfloat_with_epsilon(common->restart.backoff.factor, 1.5, 1e-9);
    g_assert_cmpuint(common->restart.backoff.min_usec, ==, 500000);
    g_assert_cmpuint(common->restart.backoff.max_usec, ==, 30000000);
    g_assert_cmpuint(common->restart.backoff.max_attempts, ==, 0);
    g_assert_cmpuint(common->restart.stable_after_usec, ==, 10000000);
    g_assert_cmpuint(common->start_limit.burst, ==, 0);
    g_assert_cmpuint(common->start_timeout_usec, ==, 15000000);
    g_assert_cmpuint(common->stop_timeout_usec, ==, 10000000);
    char digest[CONFIG_DIGEST_STRING];
    config_text_digest(config->text, digest);
    g_assert_cmpstr(digest, ==,
                    "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
}

static void test_everything(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Config) config = parse(
            "{\"$comment\": \"all of it\", \"value\": \"x\", \"start_timeout\": \"1min\","
            " \"stop_timeout\": 2.5, \"start_limit\": {\"burst\": 5, \"interval\": \"1s\"},"
            " \"restart\": {\"policy\": \"always\", \"initial_delay\": \"100ms\", \"factor\": 2,"
            " \"max_delay\": \"1s\", \"max_attempts\": 7, \"jitter\": 0.25, \"stable_after\": "
            "\"3s\","
            " \"prevent_exit_status\": [77, \"SIGTERM\"], \"force_exit_status\": [3]}}",
            &error);
    g_assert_no_error(error);
    const CommonConfig *common = &config->common;
    g_assert_cmpint(common->restart.mode, ==, RESTART_ALWAYS);
    g_assert_cmpuint(common->restart.backoff.initial_usec, ==, 100000);
    g_assert_cmpuint(common->restart.backoff.min_usec, ==, 100000); /* lowered to initial */
    g_assert_cmpuint(common->restart.backoff.max_attempts, ==, 7);
    g_assert_cmpfloat_with_epsilon(common->restart.backoff.jitter, 0.25, 1e-9);
    g_assert_cmpuint(common->start_timeout_usec, ==, 60000000);
    g_assert_cmpuint(common->stop_timeout_usec, ==, 2500000);
    g_assert_cmpuint(common->start_limit.burst, ==, 5);
    g_assert_true(
            exit_set_has(&common->restart.prevent, &(ExitStatus){.known = true, .value = 77}));
    g_assert_true(exit_set_has(&common->restart.prevent,
                               &(ExitStatus){.known = true, .signaled = true, .value = 15}));
}

static void test_delays_settle(void)
{
    static const struct {
        const char *restart;
        uint64_t min, max; /* ms */
    } rows[] = {
            {"{\"initial_delay\": 0}", 0, 30000},
            {"{\"initial_delay\": \"2s\"}", 500, 30000},
            {"{\"max_delay\": \"100ms\"}", 100, 100},
            {"{\"initial_delay\": \"10ms\", \"min_delay\": \"20ms\"}", 20, 30000},
            {"{\"min_delay\": \"1min\"}", 60000, 60000},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = g_strdup_printf("{\"restart\": %s}", rows[i].restart);
        g_autoptr(Config) config = parse(text, NULL);
        g_assert_nonnull(config);
        g_assert_cmpuint(config->common.restart.backoff.min_usec, ==, rows[i].min * 1000);
        g_assert_cmpuint(config->common.restart.backoff.max_usec, ==, rows[i].max * 1000);
    }
}

static void test_mistakes(void)
{
    static const struct {
        const char *text;
        const char *expected; /* in the message */
    } rows[] = {
            {"", "the document is empty"},
            {"[]", "object"},
            {"{\"valeu\": \"x\"}", "valeu"},
            {"{\"restart\": {\"max_delay\": -1}}",
             "restart.max_delay: expected a duration such as \"30s\""},
            {"{\"restart\": {\"policy\": \"sometimes\"}}", "restart.policy: expected \"no\""},
            {"{\"restart\": []}", "restart: expected an object"},
            {"{\"restart\": {\"factor\": 0.5}}", "restart.factor"},
            {"{\"restart\": {\"jitter\": 1.5}}", "restart.jitter"},
            {"{\"restart\": {\"max_attempts\": 4294967296}}", "restart.max_attempts"},
            {"{\"restart\": {\"min_delay\": \"2s\", \"max_delay\": \"1s\"}}",
             "restart.max_delay: expected at least"},
            {"{\"restart\": {\"prevent_exit_status\": [256]}}", "prevent_exit_status"},
            {"{\"restart\": {\"prevent_exit_status\": [\"SIGNOPE\"]}}", "prevent_exit_status"},
            {"{\"restart\": {\"prevent_exit_status\": [\"15\"]}}", "prevent_exit_status"},
            {"{\"start_limit\": 5}", "start_limit: expected an object"},
            {"{\"start_limit\": {\"interval\": \"1s\"}}", "start_limit.burst"},
            {"{\"start_limit\": {\"burst\": 10001}}", "start_limit.burst"},
            {"{\"start_limit\": {\"burst\": 1, \"interval\": 0}}", "start_limit.interval"},
            {"{\"start_timeout\": 99999999999999999999}", "start_timeout: number out of range"},
            {"{\"start_timeout\": 0}",
             "start_timeout: expected a duration such as \"15s\", more than 0"},
            {"{\"value\": \"a\", \"value\": \"b\"}", "value"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(parse(rows[i].text, &error));
        g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
        g_test_message("%s -> %s", rows[i].text, error->message);
        g_assert_nonnull(strstr(error->message, rows[i].expected));
    }
}

static void test_all_mistakes_at_once(void)
{
    g_autoptr(GError) error = NULL;
    g_assert_null(parse("{\"value\": 1, \"nope\": 2, \"restart\": {\"factor\": \"x\"}}", &error));
    g_assert_nonnull(strstr(error->message, "value: "));
    g_assert_nonnull(strstr(error->message, "nope"));
    g_assert_nonnull(strstr(error->message, "restart.factor: "));
}

/* The fake kind with defaults of its own and of the daemon. */
typedef struct DefaultsFixture {
    Kind kind;
    json_t *defaults;
} DefaultsFixture;

static void defaults_common(CommonConfig *common)
{
    common->start_timeout_usec = USEC_INFINITY;
    common->stop_timeout_usec = 1;
}

static void defaults_init(DefaultsFixture *fixture, const char *text)
{
    g_autoptr(Problems) problems = problems_new();
    JsonContext context = {.problems = problems};

    fixture->kind = kind_fake;
    fixture->kind.common_defaults = defaults_common;
    fixture->defaults = json_loads(text, 0, NULL);
    config_check_defaults(&context, NULL, fixture->defaults);
    g_assert_cmpuint(problems_count(problems), ==, 0);
    fixture->kind.defaults = fixture->defaults;
}

static Config *defaults_parse(DefaultsFixture *fixture, const char *text)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(&fixture->kind, text, strlen(text), problems);

    g_assert_nonnull(config);
    return config;
}

static bool has_code(const ExitSet *set, int code)
{
    return exit_set_has(set, &(ExitStatus){.known = true, .value = code});
}

/* Built-in, kind's, daemon's, service's: each wins over those before it, member by member. */
static void test_of_daemon(void)
{
    DefaultsFixture fixture;
    defaults_init(&fixture,
                  "{\"$comment\": \"x\", \"stop_timeout\": \"3s\", \"restart\": {\"policy\": "
                  "\"always\", \"factor\": 3, \"prevent_exit_status\": [3]}, \"start_limit\": "
                  "{\"burst\": 4, \"interval\": \"7s\"}}");
    g_autoptr(Config) silent = defaults_parse(&fixture, "{}");
    g_assert_cmpint(silent->common.restart.mode, ==, RESTART_ALWAYS);
    g_assert_cmpfloat_with_epsilon(silent->common.restart.backoff.factor, 3, 1e-9);
    g_assert_cmpuint(silent->common.restart.backoff.max_usec, ==, 30 * USEC_PER_SEC);
    g_assert_cmpuint(silent->common.start_timeout_usec, ==, USEC_INFINITY);
    g_assert_cmpuint(silent->common.stop_timeout_usec, ==, 3 * USEC_PER_SEC);
    g_assert_true(has_code(&silent->common.restart.prevent, 3));

    g_autoptr(Config) own = defaults_parse(
            &fixture, "{\"stop_timeout\": \"4s\", \"start_limit\": {\"burst\": 5}, \"restart\": "
                      "{\"factor\": 2, \"prevent_exit_status\": [4]}}");
    g_assert_cmpint(own->common.restart.mode, ==, RESTART_ALWAYS);
    g_assert_cmpfloat_with_epsilon(own->common.restart.backoff.factor, 2, 1e-9);
    g_assert_cmpuint(own->common.stop_timeout_usec, ==, 4 * USEC_PER_SEC);
    g_assert_cmpuint(own->common.start_limit.burst, ==, 5);
    g_assert_cmpuint(own->common.start_limit.interval_usec, ==, 7 * USEC_PER_SEC);
    g_assert_false(has_code(&own->common.restart.prevent, 3));
    g_assert_true(has_code(&own->common.restart.prevent, 4));
    json_decref(fixture.defaults);
}

/* Each has a copy of its own of what the defaults say. */
static void test_of_daemon_again(void)
{
    DefaultsFixture fixture;
    defaults_init(&fixture, "{\"restart\": {\"force_exit_status\": [9], \"min_delay\": \"2s\"}}");
    Config *first = defaults_parse(&fixture, "{\"restart\": {\"policy\": \"no\"}}");
    Config *again = config_parse_again(&fixture.kind, first->text);

    config_unref(first);
    g_assert_cmpint(again->common.restart.mode, ==, RESTART_NO);
    g_assert_true(has_code(&again->common.restart.force, 9));
    g_assert_cmpuint(again->common.restart.backoff.min_usec, ==, 2 * USEC_PER_SEC);
    config_unref(again);
    json_decref(fixture.defaults);
}

/* Bounds of the defaults hold, and give way to those of the service. */
static void test_of_daemon_delays(void)
{
    static const struct {
        const char *defaults, *restart;
        uint64_t min, max; /* ms */
    } rows[] = {
            {"{\"min_delay\": \"2s\"}", "{}", 2000, 30000},
            {"{\"min_delay\": \"2s\"}", "{\"initial_delay\": \"1s\"}", 2000, 30000},
            {"{\"min_delay\": \"2s\"}", "{\"max_delay\": \"1s\"}", 1000, 1000},
            {"{\"max_delay\": \"2s\"}", "{\"min_delay\": \"3s\"}", 3000, 3000},
            {"{\"max_delay\": \"2s\"}", "{\"initial_delay\": \"100ms\"}", 100, 2000},
            {"{\"initial_delay\": \"50ms\"}", "{\"policy\": \"no\"}", 50, 30000},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *defaults = g_strdup_printf("{\"restart\": %s}", rows[i].defaults);
        g_autofree char *text = g_strdup_printf("{\"restart\": %s}", rows[i].restart);
        DefaultsFixture fixture;
        defaults_init(&fixture, defaults);
        g_autoptr(Config) config = defaults_parse(&fixture, text);
        g_assert_cmpuint(config->common.restart.backoff.min_usec, ==, rows[i].min * 1000);
        g_assert_cmpuint(config->common.restart.backoff.max_usec, ==, rows[i].max * 1000);
        json_decref(fixture.defaults);
    }
}

static void test_of_daemon_mistakes(void)
{
    static const char *const rows[][2] = {
            {"[]", "expected an object, got []"},
            {"{\"value\": \"x\", \"restart\": {\"polcy\": \"no\"}, \"stop_timeout\": -1}",
             "value: unknown member\nrestart.polcy: unknown member; did you mean \"policy\"?\n"
             "stop_timeout: expected a duration such as \"30s\", got -1"},
            {"{\"restart\": {\"min_delay\": \"2s\", \"max_delay\": \"1s\", "
             "\"force_exit_status\": [1]}}",
             "restart.max_delay: expected at least min_delay"},
    };
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(Problems) problems = problems_new();
        JsonContext context = {.problems = problems};
        json_t *value = json_loads(rows[i][0], 0, NULL);
        config_check_defaults(&context, NULL, value);
        g_autoptr(GError) error = problems_to_error(problems);
        g_assert_cmpstr(error->message, ==, rows[i][1]);
        json_decref(value);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/config/defaults", test_defaults);
    g_test_add_func("/config/everything", test_everything);
    g_test_add_func("/config/delays-settle", test_delays_settle);
    g_test_add_func("/config/mistakes", test_mistakes);
    g_test_add_func("/config/all-mistakes-at-once", test_all_mistakes_at_once);
    g_test_add_func("/config/of-daemon/precedence", test_of_daemon);
    g_test_add_func("/config/of-daemon/parsed-again", test_of_daemon_again);
    g_test_add_func("/config/of-daemon/delays", test_of_daemon_delays);
    g_test_add_func("/config/of-daemon/mistakes", test_of_daemon_mistakes);
    return g_test_run();
}
