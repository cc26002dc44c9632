/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which change of a configuration needs a new start of the program. */

#include "kinds/program.h"
#include "process-fixture.h"

#include <string.h>

typedef struct ChangeRow {
    const char *member;
    const char *a, *b; /* of the member, or more of them; NULL: without it */
    bool needs_restart;
    bool with_fd; /* of a program whose readiness is "fd" */
} ChangeRow;

static const ChangeRow change_rows[] = {
        {"exec", "['a', 'b']", "['a', 'c']", true},
        {"environment", "{'A': '1'}", "{'A': '2'}", true},
        {"environment", "{'A': '1'}", NULL, true},
        {"environment_file", "'/a'", NULL, true},
        {"working_directory", "'/a'", "'/b'", true},
        {"umask", "'022'", NULL, true},
        {"user", "'a'", "'b'", true},
        {"group", "'a'", "'b'", true},
        {"supplementary_groups", "['a']", "['a', 'b']", true},
        {"supplementary_groups", "['a']", NULL, true},
        {"nice", "0", NULL, true},
        {"oom_score_adjust", "0", NULL, true},
        {"limits", "{'core': 0}", NULL, true},
        {"limits", "{'core': 0}", "{'core': {'soft': 0, 'hard': 1}}", true},
        {"limits", "{'core': 0}", "{'cpu': 0}", true},
        {"no_new_privileges", "false", NULL, true},
        {"capabilities", "[]", NULL, true},
        {"capabilities", "[]", "['chown']", true},
        {"readiness", "'spawned'", "'notify'", true},
        {"readiness_fd", "4", "5", true, true},
        {"watchdog", "1", NULL, true},
        {"watchdog", "1", "2", true},
        {"remain_after_exit", "true", "false", true},
        {"log", "{'target': 'null'}", NULL, true},
        {"log", "{'target': 'journal'}", "{'target': 'inherit'}", true},
        {"log", "{'timestamps': false}", NULL, true},
        {"log", "{'max_size': '1MiB'}", NULL, false},
        {"log", "{'keep': 1}", "{'keep': 2}", false},
        {"stop_signal", "'INT'", NULL, false},
        {"stop_mode", "'main'", NULL, false},
        {"stop_exec", "['a']", NULL, false},
        {"reload_signal", "'HUP'", NULL, false},
        {"reload_exec", "['a']", NULL, false},
        {"success_exit_status", "[1]", NULL, false},
        {"fd_store_max", "1", NULL, false},
        {"cgroup", "{'pids_max': 1}", NULL, false},
        {"restart", "{'policy': 'always'}", NULL, false},
        {"start_limit", "{'burst': 1}", NULL, false},
        {"start_timeout", "1", NULL, false},
        {"stop_timeout", "1", NULL, false},
        /* The same in other words. */
        {"environment", "{'A': '1', 'B': '2'}", "{'B': '2', 'A': '1'}", false},
        {"limits", "{'core': 1024, 'cpu': 1}", "{'cpu': {'soft': 1, 'hard': 1}, 'core': '1KiB'}",
         false},
        {"capabilities", "['chown', 'bpf']", "['CAP_BPF', 'CAP_CHOWN']", false},
        {"supplementary_groups", "[]", NULL, false},
        {"readiness", "'spawned'", NULL, false},
        {"log", "{'target': 'file', 'timestamps': true}", NULL, false},
        {"readiness_fd", "3", NULL, false, true},
};

static void change_init(ProcessFixture *fixture, const void *unused)
{
    fixture_init(fixture);
}

static void change_done(ProcessFixture *fixture, const void *unused)
{
    fixture_done(fixture);
}

static Config *change_parse(const Kind *kind, const ChangeRow *row, const char *value)
{
    g_autoptr(Problems) problems = problems_new();
    g_autoptr(GString) text = g_string_new("{");

    if (!g_str_equal(row->member, "exec"))
        g_string_append(text, "'exec': ['a'], ");
    if (row->with_fd)
        g_string_append(text, "'readiness': 'fd', ");
    if (value != NULL)
        g_string_append_printf(text, "'%s': %s, ", row->member, value);
    g_string_append(text, "'$comment': ''}");

    (void)g_string_replace(text, "'", "\"", 0);
    Config *config = config_parse(kind, text->str, text->len, problems);
    if (config == NULL)
        g_error("%s: %s", text->str, problems_to_error(problems)->message);
    return config;
}

static void test_needs_restart(ProcessFixture *fixture, const void *unused)
{
    for (size_t i = 0; i < G_N_ELEMENTS(change_rows); i++) {
        const ChangeRow *row = &change_rows[i];
        bool is_oneshot = g_str_equal(row->member, "remain_after_exit");
        const Kind *kind = is_oneshot ? fixture->oneshot : fixture->process;
        g_autoptr(Config) a = change_parse(kind, row, row->a);
        g_autoptr(Config) b = change_parse(kind, row, row->b);

        g_test_message("%s %s", row->member, row->a);
        g_assert_cmpint(program_config_needs_restart(a, b), ==, row->needs_restart);
        g_assert_cmpint(program_config_needs_restart(b, a), ==, row->needs_restart);
        g_assert_false(program_config_needs_restart(a, a));
    }
}

/* A member that nobody has thought of has no row above. */
static void test_needs_restart_is_complete(ProcessFixture *fixture, const void *unused)
{
    const Kind *kinds[] = {fixture->process, fixture->oneshot};

    for (size_t i = 0; i < G_N_ELEMENTS(kinds); i++) {
        for (const JsonMember *member = kinds[i]->members; member->name != NULL; member++) {
            bool has_row = false;

            for (size_t k = 0; k < G_N_ELEMENTS(change_rows); k++)
                has_row |= g_str_equal(change_rows[k].member, member->name);
            if (!has_row)
                g_error("does a change of \"%s\" need a restart? Say so in change_rows",
                        member->name);
        }
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/kinds-change/needs-restart", ProcessFixture, NULL, change_init, test_needs_restart,
               change_done);
    g_test_add("/kinds-change/needs-restart/complete", ProcessFixture, NULL, change_init,
               test_needs_restart_is_complete, change_done);
    return g_test_run();
}
