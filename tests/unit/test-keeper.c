/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens by itself and is written behind, and a disk that does not take it. */

#include "keeper-fixture.h"

#include "base/errors.h"

#include <string.h>

#define SOON_USEC (10 * USEC_PER_MSEC)

static const DurableState *kept_state(const char *id)
{
    return &durable_memory_find(memory, id)->state;
}

/* By itself */

static void test_gives_up(void)
{
    keeper_setup();
    Service *web = keep("web", "{\"restart\": {\"policy\": \"no\"}}");

    fake_ended(web, "no luck");
    assert_state(web, STATE_FAILED);
    core_fixture_advance(&fixture, SOON_USEC - 1);
    assert_log("");
    core_fixture_advance(&fixture, 1);
    assert_log("begin state:web:unwanted,1,no luck commit:crash\n");
    g_assert_cmpint(kept_state("web")->failure_class, ==, FAILURE_EXIT_CODE);
    g_assert_cmpuint(kept_state("web")->error_time, ==, service_state(web)->last_error_time);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_log(""); /* once */
    keeper_teardown();
}

static void test_clean_end(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    fake_ended(web, NULL);
    core_fixture_advance(&fixture, SOON_USEC);
    assert_log("begin state:web:unwanted,0 commit:crash\n");
    keeper_teardown();
}

/* What is told within a moment is one group. */
static void test_one_group(void)
{
    keeper_setup();
    Service *a = keep("a", "{}"), *b = keep("b", "{}");

    fake_ended(a, NULL);
    core_fixture_advance(&fixture, SOON_USEC - 1);
    fake_ended(b, NULL);
    core_fixture_advance(&fixture, 1);
    g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, 3); /* with the two creates */
    g_assert_false(kept_state("a")->wanted);
    g_assert_false(kept_state("b")->wanted);
    keeper_teardown();
}

static void test_attempts_once_a_second(void)
{
    keeper_setup();
    Service *web = keep("web", "{\"restart\": {\"policy\": \"always\", \"initial_delay\": \"10ms\","
                               " \"factor\": 1, \"max_delay\": \"10ms\"}}");

    fake_ended(web, "no");
    for (unsigned n = 1; n < 300; n++) { /* 3 s */
        core_fixture_advance(&fixture, 10 * USEC_PER_MSEC);
        assert_state(web, STATE_STARTING);
        fake_apply_fail(web, "no", false);
    }
    g_assert_cmpuint(service_state(web)->failed_attempts, ==, 300);
    g_assert_cmpuint(memory->n_calls[MEMORY_PUT_STATE], >=, 1 + 2);
    g_assert_cmpuint(memory->n_calls[MEMORY_PUT_STATE], <=, 1 + 3);
    g_assert_true(kept_state("web")->wanted);
    g_assert_cmpuint(kept_state("web")->failed_attempts, >, 100);
    keeper_teardown();
}

/* What cannot wait takes along what can. */
static void test_soon_overtakes_lazy(void)
{
    keeper_setup();
    Service *lazy = keep("lazy", "{}"), *soon = keep("soon", "{}");

    fake_ended(lazy, "no"); /* it is tried again */
    assert_state(lazy, STATE_BACKOFF);
    fake_ended(soon, NULL);
    core_fixture_advance(&fixture, SOON_USEC);
    g_assert_cmpuint(kept_state("lazy")->failed_attempts, ==, 1);
    g_assert_false(kept_state("soon")->wanted);
    keeper_teardown();
}

static void test_freeze(void)
{
    keeper_setup();
    Service *a = keep("a", "{}"), *b = keep("b", "{}");

    fake_ended(a, NULL);
    keeper_freeze(keeper); /* does not wait for its time */
    assert_log("begin state:a:unwanted,0 commit:crash\n");
    g_assert_true(service_stop(b, &origin_test, NULL)); /* the daemon ends */
    core_fixture_settle(&fixture);
    fake_stop_done(b, NULL);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_log("");
    g_assert_true(kept_state("b")->wanted);
    keeper_freeze(keeper);
    assert_log("");
    keeper_teardown();
}

/* What people ask for is still written, and what was not is not tried again. */
static void test_freeze_and_requests(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    (void)keep("other", "{}");
    keeper_freeze(keeper);
    ask("stop", REQUEST_STOP, "other");
    requests_flush(requests);
    assert_log("begin state:other:unwanted,0 commit:crash\n");
    durable_memory_fail(memory, MEMORY_BEGIN, 1);
    ask("restart", REQUEST_RESTART, "web");
    requests_flush(requests);
    assert_answers("stop:ok restart:ok ");
    assert_log("begin! ");
    core_fixture_settle(&fixture);
    fake_stop_done(web, NULL);
    g_assert_true(service_stop(web, &origin_test, NULL));
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_log("");
    g_assert_true(kept_state("web")->wanted);
    keeper_teardown();
}

static void test_transient(void)
{
    CreateSpec create = {.id = "a", .kind = "fake", .source = SOURCE_TRANSIENT, .start = true};

    keeper_setup();
    Service *made = map_create(map, &create, &origin_test, NULL);

    core_fixture_settle(&fixture);
    g_assert_true(service_stop(made, &origin_test, NULL));
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_log("");
    keeper_teardown();
}

static void test_of_a_definition(void)
{
    CreateSpec create = {.id = "a", .kind = "fake", .source = SOURCE_DEFINITION};

    keeper_setup();
    Service *made = map_create(map, &create, &origin_test, NULL);

    core_fixture_advance(&fixture, SOON_USEC);
    assert_log("");
    g_assert_true(service_start(made, &(Origin){.cause = CAUSE_STARTUP}, NULL));
    core_fixture_advance(&fixture, SOON_USEC);
    assert_log("begin state:a:wanted,0 commit:crash\n");
    keeper_teardown();
}

/* Nothing comes back of what was deleted, however long its end takes. */
static void test_deleted(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    ask("delete", REQUEST_DELETE, "web");
    core_fixture_settle(&fixture);
    assert_log("begin drop:web commit:power\n");
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC);
    fake_stop_done(web, "it had to be killed");
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC);
    assert_log("");
    g_assert_null(map_find(map, "web"));
    g_assert_null(durable_memory_find(memory, "web"));
    keeper_teardown();
}

static void test_deleted_with_something_outstanding(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    fake_ended(web, "no"); /* to be written in a second */
    ask("delete", REQUEST_DELETE, "web");
    core_fixture_settle(&fixture);
    assert_log("begin drop:web commit:power\n");
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC);
    assert_log("");
    fake_stop_done(web, NULL);
    ask_create("create", "web", false); /* another */
    core_fixture_advance(&fixture, 5 * USEC_PER_SEC);
    assert_log("begin service:web config:web:1 commit:power\n");
    keeper_teardown();
}

#define MANY 10000

static void test_slices(void)
{
    unsigned n_commits = 0;

    keeper_setup();
    for (unsigned i = 0; i < MANY; i++) {
        g_autofree char *id = g_strdup_printf("s%u", i);
        g_autoptr(GError) error = NULL;
        Service *made = create_full(id, "fake", NULL, false, &error);

        g_assert_no_error(error);
        g_assert_true(service_start(made, &origin_test, &error));
    }
    while (memory->n_calls[MEMORY_COMMIT] < 20) {
        core_fixture_advance(&fixture, SOON_USEC);
        g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], >, n_commits); /* it goes on */
        n_commits = memory->n_calls[MEMORY_COMMIT];
    }
    g_assert_cmpuint(memory->n_calls[MEMORY_PUT_STATE], ==, MANY);
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, 20); /* 512 in each, but the last */
    keeper_teardown();
}

/* A disk that refuses */

static GString *errors_told;

static void on_error(void *data)
{
    g_string_append_printf(errors_told, "[%s]", keeper_error(keeper));
}

static unsigned count(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at++)
        n++;
    return n;
}

/* Said once, tried with growing pauses, and its end is said too. */
static void test_errors(void)
{
    static const uint64_t pauses[] = {1, 2, 4, 8, 16, 32, 60, 60};

    keeper_setup();
    Service *web = keep("web", "{}");

    errors_told = g_string_new(NULL);
    keeper_listen(keeper, on_error, NULL);
    memory->is_broken = true;
    fake_ended(web, NULL);
    core_fixture_advance(&fixture, SOON_USEC);
    assert_log("begin! ");
    for (unsigned i = 0; i < G_N_ELEMENTS(pauses); i++) {
        core_fixture_advance(&fixture, pauses[i] * USEC_PER_SEC - 1);
        assert_log("");
        core_fixture_advance(&fixture, 1);
        assert_log("begin! ");
    }
    g_assert_cmpstr(errors_told->str, ==, "[/memory: begin: the disk is full]");
    g_assert_cmpuint(count(fixture.log->str, "the disk is full"), ==, 1);
    memory->is_broken = false;
    core_fixture_advance(&fixture, 60 * USEC_PER_SEC);
    assert_log("begin state:web:unwanted,0 commit:crash\n");
    g_assert_cmpstr(errors_told->str, ==, "[/memory: begin: the disk is full][]");
    g_assert_cmpuint(count(fixture.log->str, "the disk keeps again"), ==, 1);
    g_string_free(errors_told, TRUE);
    keeper_teardown();
}

/* When something else shows that the disk takes again, what is outstanding does not wait. */
static void test_recovery_by_a_request(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    memory->is_broken = true;
    fake_ended(web, NULL);
    core_fixture_advance(&fixture, 120 * USEC_PER_SEC);
    memory->is_broken = false;
    g_string_truncate(memory->log, 0);
    ask_create("create", "a", false);
    core_fixture_settle(&fixture);
    assert_log("begin service:a config:a:1 commit:power\n"
               "begin state:web:unwanted,0 commit:crash\n");
    keeper_teardown();
}

/* Also when there is nothing to write: somebody was refused, and asks no more. */
static void test_recovery_by_itself(void)
{
    keeper_setup();
    memory->is_broken = true;
    ask_create("create", "a", false);
    core_fixture_settle(&fixture);
    assert_answers("create:Failed ");
    memory->is_broken = false;
    g_string_truncate(memory->log, 0);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_log("begin commit:crash\n"); /* there is nothing at all */
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    (void)keep("web", "{}");
    memory->is_broken = true;
    ask_enabled("enable", "web", true);
    core_fixture_advance(&fixture, 3 * USEC_PER_SEC);
    assert_log("begin! begin! begin! ");
    memory->is_broken = false;
    core_fixture_advance(&fixture, 4 * USEC_PER_SEC);
    assert_log("begin state:web:wanted,0 commit:crash\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    core_fixture_advance(&fixture, 600 * USEC_PER_SEC);
    assert_log("");
    keeper_teardown();
}

/* Another reason is told, and logged no more. */
static void test_another_error(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    errors_told = g_string_new(NULL);
    keeper_listen(keeper, on_error, NULL);
    durable_memory_fail(memory, MEMORY_BEGIN, 1);
    fake_ended(web, NULL);
    core_fixture_advance(&fixture, SOON_USEC);
    durable_memory_fail(memory, MEMORY_COMMIT, 1);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    g_assert_cmpstr(errors_told->str, ==,
                    "[/memory: begin: the disk is full][/memory: commit: the disk is full]");
    g_assert_cmpuint(count(fixture.log->str, "the disk is full"), ==, 1);
    g_string_free(errors_told, TRUE);
    keeper_teardown();
}

static void test_freeze_on_a_full_disk(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    memory->is_broken = true;
    fake_ended(web, NULL);
    keeper_freeze(keeper);
    assert_log("begin! ");
    core_fixture_advance(&fixture, 120 * USEC_PER_SEC);
    assert_log("");
    keeper_teardown();
}

/* Serials */

static void change_so_often(Service *changed, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        About about = *service_about(changed);

        about.enabled = !about.enabled;
        service_set_about(changed, &about, &origin_test);
        g_assert_cmpuint(feed_serial(fixture.core->feed), <=, memory->limit);
    }
}

static void test_serials(void)
{
    keeper_setup();
    Service *web = keep("web", "{}"); /* serials 1 and 2 */

    keeper_reserve_serials(keeper, 2);
    core_fixture_advance(&fixture, 10 * USEC_PER_SEC);
    change_so_often(web, 1000);
    assert_log("reserve:3+1000\n");
    change_so_often(web, 1); /* within a second: twice as many */
    assert_log("reserve:1003+2000\n");
    change_so_often(web, 2000);
    assert_log("reserve:3003+4000\n");
    core_fixture_advance(&fixture, USEC_PER_SEC);
    change_so_often(web, 4000);
    assert_log("reserve:7003+1000\n");
    keeper_teardown();
}

static void test_serials_that_are_reserved_already(void)
{
    keeper_setup();
    memory->limit = 102;
    keeper_reserve_serials(keeper, 102);
    Service *web = keep("web", "{}");

    change_so_often(web, 100);
    assert_log("");
    change_so_often(web, 1);
    assert_log("reserve:103+1000\n");
    keeper_teardown();
}

/* More than are reserved are given; web is what is changed. */
static void owe_serials(Service *web)
{
    keeper_reserve_serials(keeper, 2);
    memory->is_broken = true;
    service_set_enabled(web, true, &origin_test);
    assert_log("reserve:3+1000!\n");
    assert_seen("web:active "); /* it is told all the same */
    g_assert_cmpstr(keeper_error(keeper), ==, "/memory: reserve: the disk is full");
}

/* They are used up once more before anybody writes. */
static void test_serials_without_the_disk(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    owe_serials(web);
    for (unsigned i = 0; i < 999; i++)
        service_set_enabled(web, i % 2 == 1, &origin_test);
    assert_log(""); /* and not tried at every change */
    memory->is_broken = false;
    change_so_often(web, 1);
    assert_log("reserve:1003+2000\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    keeper_teardown();
}

/* What was given is reserved, with room ahead, by the next attempt; and by nothing more. */
static void test_serials_made_up_by_itself(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    owe_serials(web);
    service_set_enabled(web, false, &origin_test); /* 4 */
    core_fixture_advance(&fixture, USEC_PER_SEC);
    assert_log("reserve:5+1000!\n");
    memory->is_broken = false;
    core_fixture_advance(&fixture, 2 * USEC_PER_SEC);
    assert_log("reserve:5+1000\nbegin state:web:wanted,0 commit:crash\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    core_fixture_advance(&fixture, 600 * USEC_PER_SEC);
    assert_log("");
    keeper_teardown();
}

/* Before what somebody asked for: a crash between the two does no harm. */
static void test_serials_made_up_by_a_request(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    owe_serials(web);
    durable_memory_fail(memory, MEMORY_RESERVE, 1);
    memory->is_broken = false;
    ask_create("refused", "a", false);
    core_fixture_settle(&fixture);
    assert_answers("refused:Failed ");
    assert_log("reserve:4+2000!\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "/memory: reserve: the disk is full");
    ask_create("create", "b", false);
    core_fixture_settle(&fixture);
    assert_answers("create:ok ");
    assert_log("reserve:4+4000\nbegin service:b config:b:1 commit:power\n");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    change_so_often(web, 3999);
    assert_log("");
    change_so_often(web, 1);
    assert_log("reserve:4004+8000\n");
    keeper_teardown();
}

static void test_serials_made_up_at_the_end(void)
{
    keeper_setup();
    Service *web = keep("web", "{}");

    owe_serials(web);
    memory->is_broken = false;
    keeper_freeze(keeper);
    g_assert_cmpuint(memory->limit, >, feed_serial(fixture.core->feed));
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    keeper_teardown();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/keeper/gives-up", test_gives_up},
            {"/keeper/clean-end", test_clean_end},
            {"/keeper/one-group", test_one_group},
            {"/keeper/attempts-once-a-second", test_attempts_once_a_second},
            {"/keeper/soon-overtakes-lazy", test_soon_overtakes_lazy},
            {"/keeper/freeze", test_freeze},
            {"/keeper/freeze-and-requests", test_freeze_and_requests},
            {"/keeper/freeze-on-a-full-disk", test_freeze_on_a_full_disk},
            {"/keeper/transient", test_transient},
            {"/keeper/of-a-definition", test_of_a_definition},
            {"/keeper/deleted", test_deleted},
            {"/keeper/deleted-with-something-outstanding", test_deleted_with_something_outstanding},
            {"/keeper/slices", test_slices},
            {"/keeper/errors/said-once", test_errors},
            {"/keeper/errors/recovery-by-a-request", test_recovery_by_a_request},
            {"/keeper/errors/recovery-by-itself", test_recovery_by_itself},
            {"/keeper/errors/another", test_another_error},
            {"/keeper/serials/blocks", test_serials},
            {"/keeper/serials/reserved-already", test_serials_that_are_reserved_already},
            {"/keeper/serials/without-the-disk", test_serials_without_the_disk},
            {"/keeper/serials/made-up-by-itself", test_serials_made_up_by_itself},
            {"/keeper/serials/made-up-by-a-request", test_serials_made_up_by_a_request},
            {"/keeper/serials/made-up-at-the-end", test_serials_made_up_at_the_end},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    return g_test_run();
}
