/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What remains of what people ask for when the disk refuses. */

#include "keeper-fixture.h"

typedef struct RefusedCase {
    const char *path;
    RequestType type;
    MemoryCall calls[6]; /* each fails once */
    unsigned n_calls;
} RefusedCase;

static const RefusedCase refused_cases[] = {
        {"/requests/disk/create",
         REQUEST_CREATE,
         {MEMORY_BEGIN, MEMORY_PUT_SERVICE, MEMORY_PUT_CONFIG, MEMORY_PUT_ENABLED, MEMORY_PUT_STATE,
          MEMORY_COMMIT},
         6},
        {"/requests/disk/delete",
         REQUEST_DELETE,
         {MEMORY_BEGIN, MEMORY_DROP_SERVICE, MEMORY_COMMIT},
         3},
        {"/requests/disk/configure",
         REQUEST_CONFIGURE,
         {MEMORY_BEGIN, MEMORY_PUT_CONFIG, MEMORY_COMMIT},
         3},
        {"/requests/disk/enable",
         REQUEST_SET_ENABLED,
         {MEMORY_BEGIN, MEMORY_PUT_ENABLED, MEMORY_COMMIT},
         3},
};

static void refused_ask(const RefusedCase *refused)
{
    RequestSpec spec = {
            .type = refused->type,
            .id = "web",
            .origin = origin_test,
            .create = {.id = "new",
                       .kind = "fake",
                       .config = "{}",
                       .config_length = 2,
                       .start = true,
                       .enabled = true},
            .config = "{\"value\": \"b\"}",
            .config_length = 14,
            .enabled = true,
    };

    ask_spec("it", &spec);
    core_fixture_settle(&fixture);
}

static void assert_web_is_untouched(const StateRecord *before)
{
    Service *web = map_find(map, "web");
    const MemoryService *kept = durable_memory_find(memory, "web");

    g_assert_true(service_state(web) == before);
    g_assert_false(service_is_deleting(web));
    g_assert_cmpstr(fake_of(web)->calls->str, ==, "apply(a) ");
    g_assert_cmpuint(kept->revisions->len, ==, 1);
    g_assert_false(kept->enabled);
    g_assert_true(kept->state.wanted);
    g_assert_null(map_find(map, "new"));
    g_assert_null(durable_memory_find(memory, "new"));
    g_assert_cmpuint(map_counts(map)->total, ==, 1);
    assert_counts_are_a_recount();
    assert_seen("");
}

/* It leaves nothing, and can be asked for again. */
static void test_refused_by_the_disk(const void *data)
{
    const RefusedCase *refused = data;

    keeper_setup();
    Service *web = keep("web", "{\"value\": \"a\"}");
    g_autoptr(StateRecord) before = state_record_ref(service_state(web));

    for (unsigned i = 0; i < refused->n_calls; i++) {
        durable_memory_fail(memory, refused->calls[i], 1);
        refused_ask(refused);
        assert_answers("it:Failed ");
        assert_refused_with("the disk is full");
        assert_web_is_untouched(before);
        g_assert_cmpstr(keeper_error(keeper), !=, "");
    }
    refused_ask(refused);
    assert_answers("it:ok ");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    keeper_teardown();
}

static const RefusedCase goes_on_cases[] = {
        {"/requests/disk/start", REQUEST_START, {MEMORY_BEGIN, MEMORY_PUT_STATE, MEMORY_COMMIT}, 3},
        {"/requests/disk/stop", REQUEST_STOP, {MEMORY_BEGIN, MEMORY_PUT_STATE, MEMORY_COMMIT}, 3},
        {"/requests/disk/restart",
         REQUEST_RESTART,
         {MEMORY_BEGIN, MEMORY_PUT_STATE, MEMORY_COMMIT},
         3},
};

static void goes_on_once(const RefusedCase *refused, MemoryCall call)
{
    bool wanted = refused->type != REQUEST_STOP;

    keeper_setup();
    Service *web = keep("web", "{}");

    if (refused->type == REQUEST_START) {
        ask("stop", REQUEST_STOP, "web");
        core_fixture_settle(&fixture);
        fake_stop_done(web, NULL);
        assert_answers("stop:ok ");
    }
    durable_memory_fail(memory, call, 1);
    ask("it", refused->type, "web");
    core_fixture_settle(&fixture);
    assert_answers("it:ok ");
    g_assert_cmpint(service_is_wanted(web), ==, wanted);
    g_assert_cmpstr(keeper_error(keeper), !=, "");
    g_assert_cmpint(durable_memory_find(memory, "web")->state.wanted, ==,
                    refused->type != REQUEST_START);
    g_string_truncate(memory->log, 0);
    core_fixture_advance(&fixture, USEC_PER_SEC); /* the keeper tries again */
    assert_log(wanted ? "begin state:web:wanted,0 commit:crash\n"
                      : "begin state:web:unwanted,0 commit:crash\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    keeper_teardown();
}

static void test_goes_on_without_the_disk(const void *data)
{
    const RefusedCase *refused = data;

    for (unsigned i = 0; i < refused->n_calls; i++)
        goes_on_once(refused, refused->calls[i]);
}

/* It makes no change that would show, and is written all the same. */
static void test_stop_of_a_restart(void)
{
    keeper_setup();
    (void)keep("another", "{}"); /* by which the disk is tried again */
    Service *web = keep("web", "{}");

    ask("restart", REQUEST_RESTART, "web");
    core_fixture_settle(&fixture);
    durable_memory_fail(memory, MEMORY_COMMIT, 1);
    ask("stop", REQUEST_STOP, "web"); /* cancels the second half */
    core_fixture_settle(&fixture);
    assert_answers("restart:ok stop:ok ");
    g_assert_true(durable_memory_find(memory, "web")->state.wanted);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_state(web, STATE_STOPPING);
    g_assert_false(durable_memory_find(memory, "web")->state.wanted);
    keeper_teardown();
}

/* Whoever has to stop a program can, also beside something that is refused. */
static void test_mixed_group_on_a_full_disk(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    memory->is_broken = true;
    ask_create("create", "a", false);
    ask("stop", REQUEST_STOP, "web");
    core_fixture_settle(&fixture);
    assert_answers("create:Failed stop:ok ");
    assert_state(web, STATE_STOPPING);
    keeper_teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/requests/disk/mixed", test_mixed_group_on_a_full_disk);
    g_test_add_func("/requests/disk/stop-of-a-restart", test_stop_of_a_restart);
    for (unsigned i = 0; i < G_N_ELEMENTS(refused_cases); i++)
        g_test_add_data_func(refused_cases[i].path, &refused_cases[i], test_refused_by_the_disk);
    for (unsigned i = 0; i < G_N_ELEMENTS(goes_on_cases); i++)
        g_test_add_data_func(goes_on_cases[i].path, &goes_on_cases[i],
                             test_goes_on_without_the_disk);
    return g_test_run();
}
