/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Groups of units and hooks of every temper, stopped at any time and as often as may be: whatever
 * they do, the life is told in order, what was opened is undone, and there is an end. The seed is
 * printed by GTest, and taken with --seed. */

#include "base/log.h"
#include "support/group-fixture.h"

#define RANDOM_LIVES 3000
/* Startup, its force, the stop, its force, and a second to spare. */
#define RANDOM_LONGEST_SECONDS (15 + 2 + 20 + 2 + 1)

static bool one_in(int n)
{
    return g_test_rand_int_range(0, n) == 0;
}

static void random_unit(FakeUnit *unit)
{
    unit->fails_pre_run = one_in(12);
    unit->fails_serve = one_in(12);
    unit->stops_group_in_pre_run = one_in(12);
    unit->stops_group_in_serve = one_in(12);
    unit->is_slow_to_serve = one_in(6);
    unit->is_slow_to_stop = one_in(4);
    unit->ignores_force = one_in(2);
    unit->stop_error = one_in(6) ? "stuck" : NULL;
    unit->pre_run_for_usec = one_in(20) ? GROUP_STARTUP_USEC : 0;
}

static void random_hook(FakeHook *hook, const char *name)
{
    hook->name = one_in(3) ? NULL : name;
    hook->moment = one_in(2) ? HOOK_STARTUP : HOOK_SHUTDOWN;
    hook->priority = g_test_rand_int_range(HOOK_PRIORITY_MIN, HOOK_PRIORITY_MAX + 1);
    hook->is_slow = one_in(4);
    hook->ignores_abort = one_in(2);
    hook->stops_group = one_in(12);
    hook->error = one_in(6) ? "broken" : NULL;
}

/* What somebody may do from outside, at any time; all but the first may come out of turn. */
static void random_move(GroupFixture *fixture)
{
    FakeUnit *unit = &fixture->units[g_test_rand_int_range(0, 3)];
    FakeHook *hook = &fixture->hooks[g_test_rand_int_range(0, GROUP_FIXTURE_HOOKS_MAX)];

    switch (g_test_rand_int_range(0, 6)) {
    case 0:
        group_fixture_advance(fixture, (uint64_t)g_test_rand_int_range(0, 12));
        break;
    case 1:
        group_stop(fixture->group, "test");
        break;
    case 2:
        group_unit_ready(fixture->group, unit->name);
        break;
    case 3:
        fake_unit_stopped(unit);
        break;
    case 4:
        if (hook->name != NULL)
            fake_hook_done(hook);
        break;
    default:
        virtual_loop_settle(fixture->loop);
        break;
    }
}

/* Where in the journal, -1 if nowhere; once at the most. */
static int place_of(char **words, const char *word)
{
    int place = -1;

    for (int i = 0; words[i] != NULL; i++) {
        if (!g_str_equal(words[i], word))
            continue;
        g_assert_cmpint(place, ==, -1);
        place = i;
    }
    return place;
}

static void assert_phases(char **words)
{
    static const char *const order[] = {"AppStartup",
                                        "phase:startup-hooks",
                                        "phase:pre-run",
                                        "phase:serve",
                                        "ready",
                                        "AppRunning",
                                        "AppTerminating",
                                        "phase:graceful-stop",
                                        "phase:shutdown-hooks",
                                        "AppTerminated",
                                        "phase:done",
                                        "done"};
    int last = -1;

    for (size_t i = 0; i < G_N_ELEMENTS(order); i++) {
        int place = place_of(words, order[i]);
        bool is_always = i < 2 || (i != 8 && i >= 6); /* what is given up has no shutdown hooks */

        g_assert_true(place >= 0 || !is_always);
        g_assert_true(place < 0 || place > last);
        last = MAX(last, place);
    }
    g_assert_cmpint(place_of(words, "AppStartup"), ==, 0);
    g_assert_null(words[last + 1]);
}

/* Each hook that was begun has ended before the next begins, and within the life. */
static void assert_hooks(char **words)
{
    g_autofree char *open = NULL;

    for (char **word = words; *word != NULL; word++) {
        if (g_str_has_prefix(*word, "PreHook")) {
            g_assert_null(open);
            open = g_strdup_printf("PostHook%s", *word + strlen("PreHook"));
        } else if (g_str_has_prefix(*word, "PostHook")) {
            g_assert_nonnull(open);
            g_assert_true(g_str_has_prefix(*word, open));
            g_clear_pointer(&open, g_free);
        } else if (g_str_equal(*word, "AppTerminated")) {
            g_assert_null(open);
        }
    }
    g_assert_null(open);
}

/* Undone is what was opened, in reverse, as the last thing. What was tried last may have failed. */
static void assert_undone(char **words, const FakeUnit *units)
{
    int last_undo = place_of(words, "phase:done"), terminated = place_of(words, "AppTerminated");

    for (int i = 0; i < 3; i++) {
        g_autofree char *open = g_strdup_printf("open:%s", units[i].name);
        g_autofree char *undo = g_strdup_printf("undo:%s", units[i].name);
        bool was_opened = place_of(words, open) >= 0 && !units[i].fails_pre_run;
        int undone = place_of(words, undo);

        g_assert_true((undone > terminated) == was_opened);
        if (undone < 0)
            continue;
        g_assert_cmpint(undone, <, last_undo);
        last_undo = undone;
    }
}

static void assert_life(const GroupFixture *fixture)
{
    g_auto(GStrv) words = NULL;
    g_autoptr(GString) text = g_string_new(fixture->journal->str);

    g_string_replace(text, "late:hook ", "late:hook+", 0); /* the only blank in a word */
    g_string_replace(text, "+hook ", "+hook+", 0);
    words = g_strsplit(text->str, " ", -1);
    assert_phases(words);
    assert_hooks(words);
    assert_undone(words, fixture->units);
    g_assert_true(fixture->error != NULL || strstr(text->str, "late:") == NULL);
}

static void play_life(void)
{
    static const char *const names[GROUP_FIXTURE_HOOKS_MAX] = {"p", "q", "r", "s"};
    GroupFixture fixture = {0};

    group_fixture_set_up(&fixture, NULL);
    for (int i = 0; i < 3; i++)
        random_unit(&fixture.units[i]);
    for (int i = 0; i < GROUP_FIXTURE_HOOKS_MAX; i++)
        random_hook(&fixture.hooks[i], names[i]);
    group_fixture_add_hooks(&fixture);
    group_run(fixture.group, 0);
    for (int i = g_test_rand_int_range(0, 20); i > 0 && !fixture.is_done; i--)
        random_move(&fixture);
    group_fixture_advance(&fixture, one_in(2) ? 0 : 60);
    if (!fixture.is_done)
        group_stop(fixture.group, "end of the test");
    group_fixture_advance(&fixture, RANDOM_LONGEST_SECONDS + fixture.spent_usec / USEC_PER_SEC);
    g_assert_true(fixture.is_done);
    g_assert_cmpuint(virtual_loop_n_armed(fixture.loop), ==, 0);
    assert_life(&fixture);
    group_fixture_tear_down(&fixture, NULL);
}

static void test_lives(void)
{
    for (int i = 0; i < RANDOM_LIVES; i++)
        play_life();
}

static void on_log(LogLevel level, const char *service, const char *message, void *data)
{
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    log_set_sink(on_log, NULL);
    g_test_add_func("/group-random/lives", test_lives);
    return g_test_run();
}
