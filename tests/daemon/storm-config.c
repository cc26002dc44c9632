/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A configuration is a row of tempers with a random number for each %d in it, and a restart policy
 * with short delays. */

#include "storm-config.h"

typedef struct StormTemper {
    const char *kind;
    const char *words; /* behind the program, as members of exec; %d: a number below most */
    int most;
    const char *members;
} StormTemper;

/* Stops take long where they have to be forced, and no longer than the shortest timeout. */
static const StormTemper tempers[] = {
        {"process", "", 1, ""},
        {"process", "", 1, ", \"stop_mode\": \"main\""},
        {"process", "", 1, ", \"stop_signal\": \"SIGINT\""},
        /* crash at once */
        {"process", ", \"exit\", \"1\"", 1, ""},
        {"process", ", \"signal\", \"6\"", 1, ""},
        /* end by themselves */
        {"process", ", \"live\", \"%d\", \"exit\", \"0\"", 300, ""},
        {"process", ", \"live\", \"%d\", \"exit\", \"3\"", 300, ""},
        {"process", ", \"live\", \"%d\", \"signal\", \"9\"", 300, ""},
        /* hang on stop */
        {"process", ", \"stubborn\"", 1, ""},
        {"process", ", \"child\"", 1, ""},
        {"process", ", \"child\", \"live\", \"%d\"", 200, ""},
        /* fail to apply */
        {"process", ", \"x\"], \"working_directory\": \"/nonexistent\", \"environment\": {}", 1,
         NULL},
        /* unready for long */
        {"process", ", \"ready\", \"%d\"", 600, ", \"readiness\": \"notify\""},
        {"process", ", \"stubborn\", \"ready\", \"%d\"", 600, ", \"readiness\": \"notify\""},
        {"process", ", \"live\", \"%d\", \"ready\", \"1\"", 200, ", \"readiness\": \"notify\""},
        /* says much */
        {"process", ", \"ready\", \"0\", \"chatty\", \"%d\"", 50, ", \"readiness\": \"notify\""},
        {"process", ", \"newline\", \"%d\"", 600, ", \"readiness\": \"fd\""},
        {"process", ", \"newline\", \"1\", \"live\", \"%d\"", 200, ", \"readiness\": \"fd\""},
        /* have more than one way in */
        {"process", ", \"deaf\"", 1, ", \"reload_signal\": \"SIGHUP\""},
        {"process", ", \"live\", \"%d\"", 300, ", \"reload_signal\": \"SIGHUP\""},
        {"process", "", 1, ", \"reload_exec\": [\"/bin/true\"]"},
        {"process", "", 1, ", \"reload_exec\": [\"/bin/false\"]"},
        {"process", ", \"ready\", \"0\"", 1,
         ", \"readiness\": \"notify\", \"reload_exec\": [\"/bin/sleep\", \"0.05\"]"},
        {"process", ", \"ready\", \"%d\", \"live\", \"300\"", 100,
         ", \"readiness\": \"notify\", \"reload_exec\": [\"/bin/sleep\", \"60\"]"},
        /* or out */
        {"process", "", 1, ", \"stop_exec\": [\"/bin/true\"]"},
        {"process", ", \"live\", \"%d\"", 300, ", \"stop_exec\": [\"/bin/false\"]"},
        {"process", ", \"stubborn\"", 1, ", \"stop_exec\": [\"/bin/sleep\", \"60\"]"},
        {"oneshot", ", \"exit\", \"0\"", 1,
         ", \"remain_after_exit\": true, \"stop_exec\": [\"/bin/true\"]"},
        /* are watched */
        {"process", ", \"alive\", \"40\", \"live\", \"%d\"", 2000, ", \"watchdog\": \"200ms\""},
        {"process", "", 1, ", \"watchdog\": \"100ms\""},
        /* have daemons of their own */
        {"process", ", \"daemon\"", 1, ""},
        {"process", ", \"daemon\", \"live\", \"%d\"", 300, ""},
        {"process", ", \"daemon\", \"stubborn\"", 1, ", \"stop_mode\": \"main\""},
        /* once */
        {"oneshot", ", \"exit\", \"0\"", 1, ""},
        {"oneshot", ", \"live\", \"%d\", \"exit\", \"0\"", 300, ", \"remain_after_exit\": true"},
        {"oneshot", ", \"live\", \"%d\", \"exit\", \"2\"", 300, ""},
        {"oneshot", ", \"stubborn\", \"live\", \"%d\"", 500, ""},
};

static const char *const policies[] = {"no", "on-failure", "always"};

static char *storm_config_restart(GRand *rand)
{
    if (g_rand_int_range(rand, 0, 12) == 0)
        return g_strdup(
                "{\"policy\": \"always\", \"initial_delay\": 0}"); /* a start limit is implied */
    return g_strdup_printf(
            "{\"policy\": \"%s\", \"initial_delay\": \"%dms\", \"max_delay\": \"300ms\", "
            "\"max_attempts\": %d, \"jitter\": 0.%d, \"stable_after\": \"%dms\"}",
            policies[g_rand_int_range(rand, 0, G_N_ELEMENTS(policies))],
            g_rand_int_range(rand, 20, 100), g_rand_int_range(rand, 0, 5),
            g_rand_int_range(rand, 0, 9), g_rand_int_range(rand, 50, 500));
}

char *storm_config_random(GRand *rand, const char **ret_kind)
{
    const StormTemper *temper = &tempers[g_rand_int_range(rand, 0, G_N_ELEMENTS(tempers))];
    g_autofree char *restart = storm_config_restart(rand);
    g_autofree char *number = g_strdup_printf("%d", g_rand_int_range(rand, 0, temper->most));
    GString *words = g_string_new(temper->words);

    (void)g_string_replace(words, "%d", number, 0); /* not all have one */
    if (temper->members != NULL)
        g_string_append_c(words, ']');
    char *config = g_strdup_printf(
            "{\"exec\": [\"%s/program-erratic\"%s%s, \"start_timeout\": \"%dms\", "
            "\"stop_timeout\": \"%dms\", \"restart\": %s}",
            g_getenv("TEST_PROGRAMS"), words->str, temper->members != NULL ? temper->members : "",
            g_rand_int_range(rand, 200, 1000), g_rand_int_range(rand, 20, 150), restart);
    g_string_free(words, TRUE);
    *ret_kind = temper->kind;
    return config;
}

const char *storm_config_bad(GRand *rand)
{
    static const char *const bad[] = {
            "{",
            "[]",
            "{\"exec\": 3}",
            "{\"exec\": []}",
            "{\"exec\": [\"/bin/true\"], \"exec\": [\"/bin/true\"]}",
            "{\"exec\": [\"/bin/true\"], \"restart\": {\"polcy\": \"always\"}}",
            "{\"exec\": [\"/bin/true\"], \"start_timeout\": -1}",
            "{\"exec\": [\"/bin/true\"], \"restart\": {\"max_attempts\": 99999999999999999999}}",
    };
    return bad[g_rand_int_range(rand, 0, G_N_ELEMENTS(bad))];
}
