/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hooks in virtual time: order, errors at both moments, abort. */

#include "base/errors.h"
#include "base/virtual.h"
#include "run/hooks.h"

#define FAKE_HOOKS_MAX 4

typedef struct Fixture Fixture;

typedef struct FakeHook {
    Fixture *fixture;
    char name[2];
    int priority;
    bool is_slow;      /* the test, or abort, says when it has ended */
    const char *error; /* with its end */
} FakeHook;

struct Fixture {
    VirtualLoop *loop;
    Hooks *hooks;
    GString *seen;
    FakeHook fakes[FAKE_HOOKS_MAX];
    bool frees_when_done;
};

static void fake_hook_done(FakeHook *fake)
{
    g_autoptr(GError) error =
            fake->error != NULL ? g_error_new_literal(SVCMGR_ERROR, ERROR_BUSY, fake->error) : NULL;

    hooks_done(fake->fixture->hooks, fake->name, error);
}

static void fake_hook_run(void *data)
{
    FakeHook *fake = data;

    g_string_append_printf(fake->fixture->seen, "run:%s ", fake->name);
    g_assert_cmpstr(hooks_running(fake->fixture->hooks), ==, fake->name);
    if (!fake->is_slow)
        fake_hook_done(fake);
}

static void fake_hook_abort(void *data)
{
    FakeHook *fake = data;

    g_string_append_printf(fake->fixture->seen, "abort:%s ", fake->name);
    fake_hook_done(fake);
}

static void on_before(const char *name, void *data)
{
    g_string_append_printf(((Fixture *)data)->seen, "before:%s ", name);
}

static void on_after(const char *name, const GError *error, void *data)
{
    g_string_append_printf(((Fixture *)data)->seen, "after:%s%s%s ", name, error != NULL ? "=" : "",
                           error != NULL ? error->message : "");
}

static void on_done(void *data)
{
    Fixture *fixture = data;

    g_string_append(fixture->seen, "done");
    if (fixture->frees_when_done)
        g_clear_pointer(&fixture->hooks, hooks_free);
}

static void set_up(Fixture *fixture, const void *moment)
{
    HooksEvents events = {on_before, on_after, on_done, fixture};

    fixture->loop = virtual_loop_new();
    fixture->hooks = hooks_new((HookMoment)GPOINTER_TO_INT(moment),
                               virtual_loop_timers(fixture->loop), &events);
    fixture->seen = g_string_new(NULL);
    for (unsigned i = 0; i < FAKE_HOOKS_MAX; i++) {
        fixture->fakes[i].fixture = fixture;
        fixture->fakes[i].name[0] = (char)('a' + i);
    }
}

static void tear_down(Fixture *fixture, const void *unused)
{
    hooks_free(fixture->hooks);
    virtual_loop_free(fixture->loop);
    g_string_free(fixture->seen, TRUE);
}

static bool add(Fixture *fixture, FakeHook *fake, GError **error)
{
    g_autofree char *name = g_strdup(fake->name);
    Hook hook = {name, fake->priority, fake_hook_run, fake_hook_abort, fake};

    return hooks_add(fixture->hooks, &hook, error);
}

static void run(Fixture *fixture)
{
    hooks_run(fixture->hooks);
    g_assert_cmpstr(fixture->seen->str, ==, "");
    virtual_loop_settle(fixture->loop);
}

static void assert_seen(Fixture *fixture, const char *expected)
{
    g_assert_cmpstr(fixture->seen->str, ==, expected);
    g_string_truncate(fixture->seen, 0);
}

static void test_names(void)
{
    for (int i = 0; i < _HOOK_MOMENT_MAX; i++)
        g_assert_cmpint(hook_moment_from_string(hook_moment_to_string((HookMoment)i)), ==, i);
    g_assert_cmpstr(hook_moment_to_string(HOOK_SHUTDOWN), ==, "shutdown");
    g_assert_cmpint(hook_moment_from_string("noon"), ==, _HOOK_MOMENT_INVALID);
}

#define ONE(name) "before:" name " run:" name " after:" name " "
#define FAILS(name) "before:" name " run:" name " after:" name "=broken "

/* Up to four hooks a, b, c, d of given priorities, in that order of addition. */
typedef struct Row {
    const char *path;
    HookMoment moment;
    unsigned n_hooks;
    int priorities[FAKE_HOOKS_MAX];
    const char *fails; /* the names of those */
    const char *seen;
} Row;

static const Row rows[] = {
        {"/hooks/order/none", HOOK_STARTUP, 0, {0}, "", "done"},
        {"/hooks/order/ties", HOOK_STARTUP, 3, {0}, "", ONE("a") ONE("b") ONE("c") "done"},
        {"/hooks/order/priorities",
         HOOK_STARTUP,
         3,
         {100, -100, 0},
         "",
         ONE("b") ONE("c") ONE("a") "done"},
        {"/hooks/order/both",
         HOOK_SHUTDOWN,
         4,
         {5, -5, 5, -5},
         "",
         ONE("b") ONE("d") ONE("a") ONE("c") "done"},
        {"/hooks/errors/startup-ends-at-the-first",
         HOOK_STARTUP,
         3,
         {0},
         "bc",
         ONE("a") FAILS("b") "done"},
        {"/hooks/errors/shutdown-runs-all",
         HOOK_SHUTDOWN,
         3,
         {0},
         "ac",
         FAILS("a") ONE("b") FAILS("c") "done"},
};

static void test_row(const void *data)
{
    const Row *row = data;
    Fixture fixture = {.frees_when_done = true};

    set_up(&fixture, GINT_TO_POINTER(row->moment));
    for (unsigned i = 0; i < row->n_hooks; i++) {
        FakeHook *fake = &fixture.fakes[i];

        fake->priority = row->priorities[i];
        fake->error = strchr(row->fails, fake->name[0]) != NULL ? "broken" : NULL;
        g_assert_true(add(&fixture, fake, NULL));
    }
    run(&fixture);
    assert_seen(&fixture, row->seen);
    g_assert_null(fixture.hooks);
    tear_down(&fixture, NULL);
}

static void test_refused(Fixture *fixture, const void *unused)
{
    static const struct {
        int priority;
        const char *message; /* NULL: allowed */
    } cases[] = {
            {101, "startup hook b: expected a priority from -100 to 100, got 101"},
            {-101, "startup hook b: expected a priority from -100 to 100, got -101"},
            {G_MININT, "startup hook b: expected a priority from -100 to 100, got -2147483648"},
            {100, NULL},
    };
    g_autoptr(GError) taken = NULL, late = NULL;

    for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        fixture->fakes[1].priority = cases[i].priority;
        g_assert_true(add(fixture, &fixture->fakes[1], &error) == (cases[i].message == NULL));
        g_assert_cmpstr(error != NULL ? error->message : NULL, ==, cases[i].message);
        g_assert_true(error == NULL || error_is(error, ERROR_INVALID_ARGS));
    }
    g_assert_false(add(fixture, &fixture->fakes[1], &taken));
    g_assert_error(taken, SVCMGR_ERROR, (int)ERROR_ID_EXISTS);
    g_assert_cmpstr(taken->message, ==, "startup hook b: there is one of this name already");
    run(fixture);
    assert_seen(fixture, ONE("b") "done");
    g_assert_false(add(fixture, &fixture->fakes[0], &late));
    g_assert_error(late, SVCMGR_ERROR, (int)ERROR_BUSY);
    g_assert_cmpstr(late->message, ==, "startup hook a: the startup hooks have begun already");
}

static void assert_list(GPtrArray *names, const char *expected)
{
    g_ptr_array_add(names, NULL);

    g_autofree char *text = g_strjoinv(" ", (char **)names->pdata);
    g_assert_cmpstr(text, ==, expected);
    g_ptr_array_unref(names);
}

static void test_remove_and_list(Fixture *fixture, const void *unused)
{
    fixture->fakes[2].priority = -7;
    fixture->fakes[2].is_slow = true;
    for (unsigned i = 0; i < 3; i++)
        g_assert_true(add(fixture, &fixture->fakes[i], NULL));
    assert_list(hooks_list(fixture->hooks), "c a b");
    g_assert_cmpint(hooks_priority(fixture->hooks, "c"), ==, -7);
    g_assert_true(hooks_remove(fixture->hooks, "a"));
    g_assert_false(hooks_remove(fixture->hooks, "a"));
    g_assert_cmpuint(hooks_n_begun(fixture->hooks), ==, 0);
    run(fixture);
    assert_list(hooks_list_pending(fixture->hooks), "c b");
    g_assert_cmpuint(hooks_n_begun(fixture->hooks), ==, 1);
    fake_hook_done(&fixture->fakes[2]);
    assert_list(hooks_list_pending(fixture->hooks), "b");
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, ONE("c") ONE("b") "done");
    assert_list(hooks_list(fixture->hooks), "c b");
    assert_list(hooks_list_pending(fixture->hooks), "");
    g_assert_null(hooks_running(fixture->hooks));
}

static void test_each_is_waited_for(Fixture *fixture, const void *unused)
{
    fixture->fakes[0].is_slow = fixture->fakes[1].is_slow = true;
    add(fixture, &fixture->fakes[0], NULL);
    add(fixture, &fixture->fakes[1], NULL);
    run(fixture);
    virtual_loop_advance(fixture->loop, 60 * USEC_PER_SEC);
    assert_seen(fixture, "before:a run:a ");
    hooks_done(fixture->hooks, "b", NULL); /* its turn has not come */
    hooks_done(fixture->hooks, "nobody", NULL);
    fake_hook_done(&fixture->fakes[0]);
    assert_seen(fixture, "after:a ");
    fake_hook_done(&fixture->fakes[0]); /* said twice */
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, "before:b run:b ");
    fake_hook_done(&fixture->fakes[1]);
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, "after:b done");
}

static void test_abort(Fixture *fixture, const void *unused)
{
    fixture->fakes[0].is_slow = true;
    fixture->fakes[0].error = "killed";
    add(fixture, &fixture->fakes[0], NULL);
    add(fixture, &fixture->fakes[1], NULL);
    run(fixture);
    assert_seen(fixture, "before:a run:a ");
    hooks_abort(fixture->hooks);
    assert_seen(fixture, "abort:a after:a=killed ");
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, "done");
}

static void test_abort_before(Fixture *fixture, const void *unused)
{
    add(fixture, &fixture->fakes[0], NULL);
    hooks_abort(fixture->hooks);
    run(fixture);
    assert_seen(fixture, "done");
    g_assert_cmpuint(hooks_n_begun(fixture->hooks), ==, 0);
}

static void test_abort_without(Fixture *fixture, const void *unused)
{
    Hook hook = {.name = "a", .run = fake_hook_run, .data = &fixture->fakes[0]};

    fixture->fakes[0].is_slow = true;
    g_assert_true(hooks_add(fixture->hooks, &hook, NULL));
    run(fixture);
    hooks_abort(fixture->hooks);
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, "before:a run:a ");
    g_assert_cmpstr(hooks_running(fixture->hooks), ==, "a");
}

static void test_give_up(Fixture *fixture, const void *unused)
{
    g_autoptr(GError) error = g_error_new_literal(SVCMGR_ERROR, ERROR_TIMEOUT, "too long");

    fixture->fakes[0].is_slow = true;
    add(fixture, &fixture->fakes[0], NULL);
    add(fixture, &fixture->fakes[1], NULL);
    run(fixture);
    assert_seen(fixture, "before:a run:a ");
    hooks_give_up(fixture->hooks, error);
    assert_seen(fixture, "after:a=too long ");
    fake_hook_done(&fixture->fakes[0]);
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, "");
}

static void test_give_up_between(Fixture *fixture, const void *unused)
{
    fixture->fakes[0].is_slow = true;
    add(fixture, &fixture->fakes[0], NULL);
    add(fixture, &fixture->fakes[1], NULL);
    run(fixture);
    fake_hook_done(&fixture->fakes[0]);
    hooks_give_up(fixture->hooks, NULL);
    virtual_loop_settle(fixture->loop);
    assert_seen(fixture, ONE("a"));
    assert_list(hooks_list_pending(fixture->hooks), "");
}

#define ADD(path, moment, function)                                                                \
    g_test_add("/hooks/" path, Fixture, GINT_TO_POINTER(moment), set_up, function, tear_down)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hooks/names/round-trip", test_names);
    for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
        g_test_add_data_func(rows[i].path, &rows[i], test_row);
    ADD("refused", HOOK_STARTUP, test_refused);
    ADD("remove-and-list", HOOK_STARTUP, test_remove_and_list);
    ADD("each-is-waited-for", HOOK_STARTUP, test_each_is_waited_for);
    ADD("abort/running", HOOK_SHUTDOWN, test_abort);
    ADD("abort/before", HOOK_SHUTDOWN, test_abort_before);
    ADD("abort/cannot", HOOK_SHUTDOWN, test_abort_without);
    ADD("give-up", HOOK_SHUTDOWN, test_give_up);
    ADD("give-up/between", HOOK_SHUTDOWN, test_give_up_between);
    return g_test_run();
}
