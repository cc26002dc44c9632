/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is accepted means one thing: the same text has the same meaning and digest again, and so has
 * the same document written in other words (members in another order, other blanks and escapes).
 * What is refused is told with a place, in bounded and harmless words. */

#include "config.h"

#include "base/errors.h"
#include "base/parse.h"
#include "fuzz.h"
#include "kinds/program.h"
#include "process/environment.h"
#include "process/rlimits.h"

#include <signal.h>
#include <string.h>

#define CONFIG_MESSAGE_MAX_BYTES 512
/* A pointer of 1,024 bytes, each byte of it escaped. */
#define CONFIG_LINE_MAX_BYTES (4 * 1024 + CONFIG_MESSAGE_MAX_BYTES + 8)

/* Meaning */

static void config_print_exit_set(GString *text, const char *name, const ExitSet *set)
{
    g_string_append_printf(text, "%s", name);
    for (int value = 0; value <= 255; value++) {
        if (exit_set_has(set, &(ExitStatus){.known = true, .value = value}))
            g_string_append_printf(text, " %d", value);
        if (exit_set_has(set, &(ExitStatus){.known = true, .signaled = true, .value = value}))
            g_string_append_printf(text, " SIG%d", value);
    }
    g_string_append_c(text, '\n');
}

static void config_print_strings(GString *text, const char *name, char **strings)
{
    g_string_append_printf(text, "%s %u", name, strings != NULL ? g_strv_length(strings) : 0);
    for (; strings != NULL && *strings != NULL; strings++)
        g_string_append_printf(text, " %zu:%s", strlen(*strings), *strings);
    g_string_append_c(text, '\n');
}

static void config_print_number(GString *text, const char *name, uint64_t number)
{
    g_string_append_printf(text, "%s %" G_GUINT64_FORMAT "\n", name, number);
}

static void config_print_common(GString *text, const CommonConfig *common)
{
    const RestartPolicy *restart = &common->restart;
    const Backoff *backoff = &restart->backoff;
    const Dependencies *dependencies = common->dependencies;

    g_string_append_printf(text, "%d %.17g %.17g %u %" G_GUINT64_FORMAT "\n", restart->mode,
                           backoff->factor, backoff->jitter, backoff->max_attempts,
                           common->start_limit.burst);
    config_print_number(text, "initial", backoff->initial_usec);
    config_print_number(text, "min", backoff->min_usec);
    config_print_number(text, "max", backoff->max_usec);
    config_print_number(text, "stable", restart->stable_after_usec);
    config_print_number(text, "interval", common->start_limit.interval_usec);
    config_print_number(text, "start", common->start_timeout_usec);
    config_print_number(text, "stop", common->stop_timeout_usec);
    config_print_exit_set(text, "prevent", &restart->prevent);
    config_print_exit_set(text, "force", &restart->force);
    for (Relation relation = 0; dependencies != NULL && relation < _RELATION_MAX; relation++)
        config_print_strings(text, relation_to_string(relation), dependencies->lists[relation]);
    if (dependencies != NULL)
        config_print_number(text, "grace", dependencies->keep_up_grace_usec);
}

static int config_compare_strings(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void config_print_resources(GString *text, const SpawnSpec *spawn)
{
    g_string_append_printf(text, "%d|%d|%d|%d|%" G_GINT64_MODIFIER "x\n", spawn->nice,
                           spawn->oom_score_adjust, spawn->privileges, spawn->sets_capabilities,
                           spawn->capabilities);
    for (unsigned i = 0; spawn->limits != NULL && i < spawn->limits->len; i++) {
        const SpawnLimit *limit = &g_array_index(spawn->limits, SpawnLimit, i);
        g_autofree char *soft = limit_value_to_string(limit->soft);
        g_autofree char *hard = limit_value_to_string(limit->hard);

        g_string_append_printf(text, "%s %s %s\n", limit_to_string(limit->resource), soft, hard);
    }
}

static void config_print_supervision(GString *text, const SupervisorSpec *spec)
{
    const CgroupLimits *limits = &spec->limits;

    config_print_strings(text, "stop", spec->stop_exec);
    config_print_strings(text, "reload", spec->reload_exec);
    config_print_number(text, "watchdog", spec->watchdog_usec);
    config_print_number(text, "store", spec->fd_store_max);
    config_print_number(text, "memory", limits->memory_max_bytes);
    config_print_number(text, "pids", limits->pids_max);
    config_print_number(text, "cpu", limits->cpu_weight);
    config_print_number(text, "io", limits->io_weight);
    g_string_append_printf(text, "%d|%d|%d\n", spec->readiness, spec->readiness_fd,
                           spec->reload_signal);
    config_print_number(text, "log", spec->output.rules.max_size_bytes);
    g_string_append_printf(text, "%d|%d|%u\n", spec->output.target, spec->output.has_no_timestamps,
                           spec->output.rules.keep);
}

/* Everything that the document says. The variables are an object, which has no order. */
static char *config_print(const Config *config)
{
    const ProgramConfig *own = config->own;
    const SpawnSpec *spawn = &own->spec.spawn;
    g_auto(GStrv) environment = g_strdupv(spawn->environment);
    GString *text = g_string_new(NULL);

    if (environment != NULL)
        qsort(environment, g_strv_length(environment), sizeof(char *), config_compare_strings);
    config_print_common(text, &config->common);
    config_print_strings(text, "exec", spawn->exec);
    config_print_strings(text, "environment", environment);
    config_print_strings(text, "groups", spawn->supplementary_groups);
    g_string_append_printf(text, "%s|%s|%s|%s|%o|%d|%d|%d|%d|%d\n",
                           spawn->environment_file != NULL ? spawn->environment_file : "",
                           spawn->working_directory != NULL ? spawn->working_directory : "",
                           spawn->user != NULL ? spawn->user : "",
                           spawn->group != NULL ? spawn->group : "", spawn->umask,
                           own->spec.rules.stop_signal, own->spec.readiness, own->spec.stop_mode,
                           own->spec.rules.runs_once, own->remain_after_exit);
    config_print_exit_set(text, "success", &own->spec.rules.success);
    config_print_resources(text, spawn);
    config_print_supervision(text, &own->spec);
    return g_string_free(text, FALSE);
}

/* The same document with its members sorted, without comments in words, every character above
 * ASCII escaped. */
static char *config_rewrite(const uint8_t *data, size_t size)
{
    json_t *document = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    g_assert_nonnull(document);
    char *text = json_dumps(document, JSON_SORT_KEYS | JSON_ENSURE_ASCII | JSON_INDENT(1));
    json_decref(document);
    g_assert_nonnull(text);
    return text;
}

static void config_assert_same(const Kind *kind, const Config *config, const char *text,
                               size_t length)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) again = config_parse(kind, text, length, problems);

    g_assert_nonnull(again);
    g_autofree char *expected = config_print(config);
    g_autofree char *got = config_print(again);
    g_assert_cmpstr(got, ==, expected);
    g_assert_false(program_config_needs_restart(config, again));
    g_assert_cmpint(config_text_equal(again->text, config->text), ==,
                    length == config->text->length &&
                            memcmp(text, config->text->text, length) == 0);
}

static void config_assert_text(const ConfigText *text, const uint8_t *data, size_t size)
{
    g_autofree char *hex = g_compute_checksum_for_data(G_CHECKSUM_SHA256, data, size);
    char digest[CONFIG_DIGEST_STRING];

    g_assert_cmpmem(text->text, text->length, data, size);
    config_text_digest(text, digest);
    g_assert_true(g_str_has_prefix(digest, "sha256:"));
    g_assert_cmpstr(digest + strlen("sha256:"), ==, hex);
}

/* Accepted */

static void config_assert_dependencies(const Dependencies *dependencies)
{
    size_t count = 0;

    g_assert_false(dependencies_are_empty(dependencies));
    for (Relation relation = 0; relation < _RELATION_MAX; relation++) {
        char **ids = dependencies->lists[relation];

        g_assert_true(ids == NULL || ids[0] != NULL);
        for (; ids != NULL && *ids != NULL; ids++, count++)
            g_assert_true(parse_id(*ids, NULL));
    }
    g_assert_cmpuint(count, <=, DEPENDENCIES_MAX);
    g_assert_null(dependencies->lists[RELATION_MEMBERS]);
    g_assert_true(dependencies->keep_up_grace_usec == USEC_INFINITY ||
                  dependencies->lists[RELATION_REQUIRES] != NULL);
}

static void config_assert_common(const CommonConfig *common)
{
    const Backoff *backoff = &common->restart.backoff;

    g_assert_cmpint(common->restart.mode, >=, 0);
    g_assert_cmpint(common->restart.mode, <, _RESTART_MAX);
    g_assert_cmpuint(backoff->min_usec, <=, backoff->max_usec);
    g_assert_true(backoff->factor >= 1 && backoff->factor <= 1000);
    g_assert_true(backoff->jitter >= 0 && backoff->jitter <= 1);
    g_assert_cmpuint(common->start_limit.burst, <=, START_LIMIT_BURST_MAX);
    g_assert_cmpuint(common->start_limit.interval_usec, >, 0);
    g_assert_cmpuint(common->start_timeout_usec, >, 0);
    g_assert_cmpuint(common->restart.stable_after_usec, <, USEC_INFINITY);
    if (common->dependencies != NULL)
        config_assert_dependencies(common->dependencies);
    for (unsigned attempt = 1; attempt < 2000; attempt = attempt * 3 + 1) {
        uint64_t least, most;

        backoff_bounds_usec(backoff, attempt, &least, &most);
        g_assert_cmpuint(least, >=, backoff->min_usec);
        g_assert_cmpuint(least, <=, most);
        g_assert_cmpuint(most, <=, backoff->max_usec);
    }
}

static void config_assert_resources(const SpawnSpec *spawn)
{
    g_assert_true(spawn->nice == SPAWN_NICE_KEEP || (spawn->nice >= -20 && spawn->nice <= 19));
    g_assert_true(spawn->oom_score_adjust == SPAWN_OOM_SCORE_KEEP ||
                  (spawn->oom_score_adjust >= -1000 && spawn->oom_score_adjust <= 1000));
    g_assert_true(spawn->sets_capabilities || spawn->capabilities == 0);
    for (unsigned i = 0; spawn->limits != NULL && i < spawn->limits->len; i++) {
        const SpawnLimit *limit = &g_array_index(spawn->limits, SpawnLimit, i);

        g_assert_nonnull(limit_to_string(limit->resource));
        g_assert_cmpuint(limit->soft, <=, limit->hard);
        g_assert_true(limit->hard <= INT64_MAX || limit->hard == LIMIT_INFINITY);
    }
}

static void config_assert_supervision(const SupervisorSpec *spec)
{
    g_assert_true(spec->reload_signal == 0 || spec->reload_exec == NULL);
    g_assert_true(spec->reload_signal == 0 || signal_to_string(spec->reload_signal) != NULL);
    g_assert_cmpint(spec->reload_signal, !=, SIGKILL);
    g_assert_cmpint(spec->reload_signal, !=, SIGSTOP);
    g_assert_cmpuint(spec->fd_store_max, <=, 1024);
    g_assert_cmpint(spec->readiness == READINESS_FD, ==, spec->readiness_fd != 0);
    if (spec->readiness == READINESS_FD)
        g_assert_cmpuint(spec->fd_store_max + 3, <=, (uint64_t)spec->readiness_fd);
    g_assert_cmpuint(spec->limits.cpu_weight, <=, 10000);
    g_assert_cmpuint(spec->limits.io_weight, <=, 10000);
    g_assert_cmpint(spec->output.target, >=, 0);
    g_assert_cmpint(spec->output.target, <, _OUTPUT_TARGET_MAX);
    g_assert_cmpuint(spec->output.rules.max_size_bytes, >=, SERVICE_LOG_SIZE_MIN);
    g_assert_cmpuint(spec->output.rules.keep, <=, SERVICE_LOG_KEEP_MAX);
    if (spec->rules.runs_once) {
        g_assert_cmpint(spec->reload_signal, ==, 0);
        g_assert_cmpuint(spec->watchdog_usec, ==, 0);
        g_assert_cmpuint(spec->fd_store_max, ==, 0);
    }
}

static void config_assert_program(const ProgramConfig *own)
{
    const SpawnSpec *spawn = &own->spec.spawn;

    g_assert_nonnull(spawn->exec);
    g_assert_cmpuint(strlen(spawn->exec[0]), >, 0);
    g_assert_true(spawn->exec[0][0] == '/' || strchr(spawn->exec[0], '/') == NULL);
    for (char **each = spawn->environment; each != NULL && *each != NULL; each++) {
        g_autofree char *name = g_strndup(*each, strcspn(*each, "="));

        g_assert_true(environment_name_is_valid(name, strlen(name)));
        g_assert_false(environment_name_is_reserved(name));
        g_assert_cmpint((*each)[strlen(name)], ==, '=');
    }
    g_assert_true(spawn->umask <= 0777 || spawn->umask == SPAWN_UMASK_KEEP);
    g_assert_true(spawn->environment_file == NULL || spawn->environment_file[0] == '/');
    g_assert_true(spawn->working_directory == NULL || spawn->working_directory[0] == '/');
    g_assert_true(spawn->user == NULL || spawn->user[0] != '\0');
    g_assert_true(spawn->group == NULL || spawn->group[0] != '\0');
    config_assert_resources(spawn);
    config_assert_supervision(&own->spec);
    g_assert_nonnull(signal_to_string(own->spec.rules.stop_signal));
    g_assert_cmpint(own->spec.readiness, <, _READINESS_MAX);
    g_assert_cmpint(own->spec.stop_mode, <, _STOP_MODE_MAX);
}

/* Refused */

/* The few mistakes that are of the document as such, and those whose place is too long a name. */
static bool config_names_its_place(const char *message)
{
    return g_str_has_prefix(message, "in ") || g_str_has_prefix(message, "the document is empty") ||
           g_str_has_prefix(message, "larger than ") ||
           g_str_has_prefix(message, "expected an object, got ") ||
           g_str_has_prefix(message, "expected at most 4096 ids in all lists ") ||
           g_str_has_suffix(message, " more problems are not listed");
}

static void config_assert_problem(const Problem *problem)
{
    fuzz_assert_line(problem->message, CONFIG_MESSAGE_MAX_BYTES);
    g_assert_true(g_utf8_validate(problem->pointer, -1, NULL));
    g_assert_cmpuint(problem->line > 0, ==, problem->column > 0);
    if (problem->pointer[0] != '\0')
        g_assert_cmpint(problem->pointer[0], ==, '/');
    else if (problem->line == 0)
        g_assert_true(config_names_its_place(problem->message));
}

void fuzz_config_assert_problems(const Problems *problems)
{
    g_autoptr(GError) error = problems_to_error(problems);

    g_assert_error(error, SVCMGR_ERROR, (int)ERROR_INVALID_CONFIG);
    fuzz_assert_lines(error->message, problems_count(problems) * CONFIG_LINE_MAX_BYTES);
    g_assert_cmpuint(problems_count(problems), <=, PROBLEMS_MAX);
    for (unsigned i = 0; i < problems_count(problems); i++)
        config_assert_problem(problems_get(problems, i));
}

void fuzz_config(const Kind *kind, const uint8_t *data, size_t size)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(Config) config = config_parse(kind, (const char *)data, size, problems);

    if (config == NULL) {
        fuzz_config_assert_problems(problems);
        return;
    }
    g_assert_false(problems_have_errors(problems));
    config_assert_text(config->text, data, size);
    config_assert_common(&config->common);
    config_assert_program(config->own);
    config_assert_same(kind, config, (const char *)data, size);

    char *rewritten = config_rewrite(data, size);
    if (strlen(rewritten) <= JSON_MAX_BYTES)
        config_assert_same(kind, config, rewritten, strlen(rewritten));
    free(rewritten);
}
