/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reading a configuration: the document once, with tables side by side: the members that every kind
 * has, those that name other services, and the kind's own. */

#include "core/config.h"

#include "base/parse.h"
#include "core/kind.h"

#include <string.h>

/* All codes and all signals. */
#define CONFIG_MAX_EXIT_STATUSES (256 + 64)

static int config_restart_mode_from_string(const char *string)
{
    return restart_mode_from_string(string);
}

void config_read_exit_set(JsonContext *context, const JsonPath *path, const json_t *value,
                          void *field, const void *unused)
{
    static const char expected[] =
            "an exit code from 0 to 255 or a signal name such as \"SIGTERM\"";
    if (!json_is_array(value)) {
        json_problem_expected(context, path, "an array of exit codes and signal names", value);
        return;
    }
    if (json_array_size(value) > CONFIG_MAX_EXIT_STATUSES) {
        json_problem(context, path, "expected at most %d exit codes and signal names",
                     CONFIG_MAX_EXIT_STATUSES);
        return;
    }
    ExitSet set = {0};
    for (size_t i = 0; i < json_array_size(value); i++) {
        const json_t *item = json_array_get(value, i);
        JsonPath place = {.parent = path, .index = i};
        int signo;
        if (json_is_integer(item) && json_integer_value(item) >= 0 &&
            json_integer_value(item) <= 255)
            exit_set_add_code(&set, (unsigned)json_integer_value(item));
        else if (json_is_string(item) && !g_ascii_isdigit(json_string_value(item)[0]) &&
                 parse_signal(json_string_value(item), &signo, NULL))
            exit_set_add_signal(&set, (unsigned)signo);
        else
            json_problem_expected(context, &place, expected, item);
    }
    exit_set_clear(field);
    *(ExitSet *)field = set;
}

static const JsonRange attempts_range = {.min = 0, .max = UINT32_MAX};
static const JsonRange burst_range = {.min = 0, .max = START_LIMIT_BURST_MAX};
static const JsonRange interval_range = {
        .min = 1,
        .max = USEC_INFINITY - 1,
        .expected = "a duration such as \"10s\", more than 0 and not infinity",
};
static const JsonRange finite_range = {
        .min = 0,
        .max = UINT64_C(365) * 24 * 3600 * USEC_PER_SEC,
        .expected = "a duration such as \"30s\", at most a year",
};
static const JsonRange start_timeout_range = {
        .min = 1,
        .max = USEC_INFINITY,
        .expected = "a duration such as \"15s\", more than 0",
};
static const JsonRealRange factor_range = {.min = 1, .max = 1000};
static const JsonRealRange jitter_range = {.min = 0, .max = 1};
static const JsonEnum mode_enum = {
        .from_string = config_restart_mode_from_string,
        .expected = "\"no\", \"on-failure\" or \"always\"",
};

/* RestartPolicy as the readers fill it: their integers are 64 bits wide. */
typedef struct RestartFields {
    RestartPolicy policy;
    uint64_t max_attempts;
} RestartFields;

static const JsonMember restart_members[] = {
        {"policy", json_read_enum, offsetof(RestartFields, policy.mode), &mode_enum, false},
        {"initial_delay", json_read_duration, offsetof(RestartFields, policy.backoff.initial_usec),
         &finite_range, false},
        {"factor", json_read_real, offsetof(RestartFields, policy.backoff.factor), &factor_range,
         false},
        {"min_delay", json_read_duration, offsetof(RestartFields, policy.backoff.min_usec),
         &finite_range, false},
        {"max_delay", json_read_duration, offsetof(RestartFields, policy.backoff.max_usec),
         &finite_range, false},
        {"max_attempts", json_read_unsigned, offsetof(RestartFields, max_attempts), &attempts_range,
         false},
        {"jitter", json_read_real, offsetof(RestartFields, policy.backoff.jitter), &jitter_range,
         false},
        {"stable_after", json_read_duration, offsetof(RestartFields, policy.stable_after_usec),
         &finite_range, false},
        {"prevent_exit_status", config_read_exit_set, offsetof(RestartFields, policy.prevent), NULL,
         false},
        {"force_exit_status", config_read_exit_set, offsetof(RestartFields, policy.force), NULL,
         false},
        {NULL, NULL, 0, NULL, false},
};

/* Whether the defaults that were read before name this member of restart. The kind comes with the
 * context; while the defaults themselves are read there is none. */
static bool config_defaults_name(const JsonContext *context, const char *member)
{
    const Kind *kind = context->data;
    const json_t *restart = kind != NULL ? json_object_get(kind->defaults, "restart") : NULL;

    return json_object_get(restart, member) != NULL;
}

/* The bounds that were not given follow those that were; one that only the defaults name gives way
 * no further than it must. */
static void config_settle_delays(JsonContext *context, const JsonPath *path, const json_t *object,
                                 Backoff *backoff)
{
    uint64_t floor_usec = MIN(backoff->initial_usec, backoff->max_usec);

    if (config_defaults_name(context, "min_delay"))
        floor_usec = backoff->max_usec;
    if (json_object_get(object, "min_delay") == NULL)
        backoff->min_usec = MIN(backoff->min_usec, floor_usec);
    else if (json_object_get(object, "max_delay") == NULL)
        backoff->max_usec = MAX(backoff->max_usec, backoff->min_usec);
    if (backoff->min_usec > backoff->max_usec) {
        JsonPath place = {.parent = path, .member = "max_delay"};
        json_problem(context, &place, "expected at least min_delay");
    }
}

static void config_read_restart(JsonContext *context, const JsonPath *path, const json_t *value,
                                void *field, const void *unused)
{
    RestartPolicy *policy = field;
    RestartFields fields = {.policy = *policy, .max_attempts = policy->backoff.max_attempts};

    json_read_members(context, path, value, &fields, restart_members);
    config_settle_delays(context, path, value, &fields.policy.backoff);
    fields.policy.backoff.max_attempts = (unsigned)fields.max_attempts;
    *policy = fields.policy;
}

static const JsonMember start_limit_members[] = {
        {"burst", json_read_unsigned, offsetof(StartLimit, burst), &burst_range, true},
        {"interval", json_read_duration, offsetof(StartLimit, interval_usec), &interval_range,
         false},
        {NULL, NULL, 0, NULL, false},
};

static const JsonMember common_members[] = {
        {"restart", config_read_restart, offsetof(CommonConfig, restart), NULL, false},
        {"start_limit", json_read_members, offsetof(CommonConfig, start_limit), start_limit_members,
         false},
        {"start_timeout", json_read_duration, offsetof(CommonConfig, start_timeout_usec),
         &start_timeout_range, false},
        {"stop_timeout", json_read_duration, offsetof(CommonConfig, stop_timeout_usec), NULL,
         false},
        {NULL, NULL, 0, NULL, false},
};

static const JsonMember no_members[] = {{NULL, NULL, 0, NULL, false}};

static const CommonConfig common_defaults = {
        .restart = {.mode = RESTART_ON_FAILURE}, /* the rest by restart_policy_default */
        .start_limit = {.burst = 0, .interval_usec = 10 * USEC_PER_SEC},
        .start_timeout_usec = 15 * USEC_PER_SEC,
        .stop_timeout_usec = 10 * USEC_PER_SEC,
};

static void common_config_done(CommonConfig *common)
{
    dependencies_unref(common->dependencies);
    exit_set_clear(&common->restart.prevent);
    exit_set_clear(&common->restart.force);
}

static void config_read_defaults(JsonContext *context, const JsonPath *path, const json_t *defaults,
                                 CommonConfig *common)
{
    JsonTable table = {common_members, common};

    json_read_object(context, path, defaults, &table, 1);
}

void config_check_defaults(JsonContext *context, const JsonPath *path, const json_t *value)
{
    JsonContext own = {.problems = context->problems};
    CommonConfig common = common_defaults;

    common.restart = restart_policy_default;
    config_read_defaults(&own, path, value, &common);
    common_config_done(&common);
}

/* What they say may stand beside any kind's own defaults, so that they fit once is enough. */
static void config_apply_defaults(Config *config, const json_t *defaults)
{
    g_autoptr(Problems) problems = problems_new();
    JsonContext context = {.problems = problems};

    config_read_defaults(&context, NULL, defaults, &config->common);
    g_assert(!problems_have_errors(problems));
}

static Config *config_new(const Kind *kind)
{
    Config *config = g_new0(Config, 1);
    g_atomic_ref_count_init(&config->refs);
    config->kind = kind;
    config->common = common_defaults;
    config->common.restart = restart_policy_default;
    if (kind->common_defaults != NULL)
        kind->common_defaults(&config->common);
    if (kind->defaults != NULL)
        config_apply_defaults(config, kind->defaults);
    config->common.dependencies = dependencies_new();
    if (kind->config_new != NULL)
        config->own = kind->config_new();
    return config;
}

static Config *config_read(const Kind *kind, const char *text, size_t length, Problems *problems)
{
    json_t *document = json_document_parse(text, length, problems);
    if (document == NULL)
        return NULL;
    g_autoptr(Config) config = config_new(kind);
    JsonContext context = {.problems = problems, .data = (void *)kind};
    JsonTable tables[] = {
            {kind->members != NULL ? kind->members : no_members, config->own},
            {common_members, &config->common},
            {dependency_members, config->common.dependencies},
    };
    json_read_object(&context, NULL, document, tables, G_N_ELEMENTS(tables));
    json_decref(document);
    if (kind->config_check != NULL && !problems_have_errors(problems))
        kind->config_check(&context, config);
    if (!problems_have_errors(problems))
        dependencies_check(&context, config->common.dependencies);
    if (dependencies_are_empty(config->common.dependencies))
        g_clear_pointer(&config->common.dependencies, dependencies_unref);
    if (problems_have_errors(problems))
        return NULL;
    return g_steal_pointer(&config);
}

Config *config_parse(const Kind *kind, const char *text, size_t length, Problems *problems)
{
    Config *config = config_read(kind, text, length, problems);
    if (config != NULL)
        config->text = config_text_new(text, length);
    return config;
}

Config *config_parse_again(const Kind *kind, ConfigText *text)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_read(kind, text->text, text->length, problems);
    g_assert(config != NULL);
    config->text = config_text_ref(text);
    return config;
}

Config *config_ref(Config *config)
{
    g_atomic_ref_count_inc(&config->refs);
    return config;
}

void config_unref(Config *config)
{
    if (config == NULL || !g_atomic_ref_count_dec(&config->refs))
        return;
    if (config->own != NULL)
        config->kind->config_free(config->own);
    common_config_done(&config->common);
    config_text_unref(config->text);
    g_free(config);
}
