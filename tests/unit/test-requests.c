/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people ask for: how it is grouped, in which order it is done and answered. */

#include "keeper-fixture.h"

#include "base/errors.h"

#include <string.h>

/* Groups */

static void test_group_of_creates(void)
{
    keeper_setup();
    ask_create("1", "a", false);
    ask_create("2", "b", true);
    ask_create("3", "c", false);
    assert_log("");
    assert_answers("");
    assert_seen("");
    g_assert_true(requests_are_pending(requests));
    core_fixture_settle(&fixture);
    assert_log("begin service:a config:a:1 service:b config:b:1 state:b:wanted,0 service:c "
               "config:c:1 commit:power\n");
    assert_answers("1:ok 2:ok 3:ok ");
    assert_seen("+a +b +c ");
    g_assert_false(requests_are_pending(requests));
    keeper_teardown();
}

static void test_group_levels(void)
{
    keeper_setup();
    ask_create("create", "a", false);
    core_fixture_settle(&fixture);
    assert_log("begin service:a config:a:1 commit:power\n");
    ask("start", REQUEST_START, "a");
    core_fixture_settle(&fixture);
    assert_log("begin state:a:wanted,0 commit:crash\n");
    ask_create("create", "b", false); /* one that must be synced, and the group is */
    ask("stop", REQUEST_STOP, "a");
    core_fixture_settle(&fixture);
    assert_log("begin service:b config:b:1 state:a:unwanted,0 commit:power\n");
    ask_enabled("enable", "b", true);
    core_fixture_settle(&fixture);
    assert_log("begin enabled:b:1 commit:power\n");
    ask_configure("configure", "b", "{}");
    core_fixture_settle(&fixture);
    assert_log("begin config:b:2 commit:power\n");
    ask("delete", REQUEST_DELETE, "b");
    core_fixture_settle(&fixture);
    assert_log("begin drop:b commit:power\n");
    assert_answers("create:ok start:ok create:ok stop:ok enable:ok configure:ok delete:ok ");
    keeper_teardown();
}

/* What depends on another sees what that has done. */
static void test_one_service_one_group(void)
{
    keeper_setup();
    ask_create("create", "a", false);
    ask_create("other", "b", false);
    ask("start", REQUEST_START, "a");
    ask("stop", REQUEST_STOP, "a");
    ask("start-too-early", REQUEST_START, "a");
    core_fixture_settle(&fixture);
    assert_log("begin service:a config:a:1 service:b config:b:1 commit:power\n"
               "begin state:a:wanted,0 commit:crash\n"
               "begin state:a:unwanted,0 commit:crash\n");
    assert_answers("create:ok other:ok start:ok stop:ok start-too-early:Busy ");
    assert_state(map_find(map, "a"), STATE_STOPPING);
    keeper_teardown();
}

static void test_group_is_bounded(void)
{
    char ids[300][8];

    keeper_setup();
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++) {
        g_snprintf(ids[i], sizeof(ids[i]), "s%u", i);
        ask_create("", ids[i], false);
        g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, i < 255 ? 0 : 1);
    }
    g_assert_cmpuint(map_counts(map)->total, ==, 256);
    core_fixture_settle(&fixture);
    g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, 2);
    g_assert_cmpuint(map_counts(map)->total, ==, 300);
    keeper_teardown();
}

/* Of large ones a few are enough: those that are refused count as well, and one always goes. */
static void test_group_of_large_ones(void)
{
    g_autofree char *filler = g_strnfill(400 * 1024, 'x');
    g_autofree char *large = g_strdup_printf("{\"$comment\": \"%s\"}", filler);
    g_autofree char *larger = g_strdup_printf("{\"$comment\": [\"%s\", \"%s\"]}", filler, filler);
    g_autofree char *wrong = g_strdup_printf("{\"$comment\": \"%s\"", filler);

    keeper_setup();
    keep("a", "{}");
    keep("b", "{}");
    keep("c", "{}");
    keep("d", "{}");
    ask_configure("1", "a", large);
    ask_configure("2", "b", wrong);
    ask_configure("3", "c", larger);
    ask_configure("4", "d", large);
    core_fixture_settle(&fixture);
    assert_answers("2:InvalidConfig 1:ok 3:ok 4:ok ");
    assert_log("begin config:a:2 commit:power\nbegin config:c:2 commit:power\n"
               "begin config:d:2 commit:power\n");
    keeper_teardown();
}

static Timer *(*create_timer)(TimerHost *host, bool last);
static void (*arm_timer)(Timer *timer, uint64_t at_usec);
static Timer *last_timer;

static Timer *on_create_timer(TimerHost *host, bool last)
{
    Timer *timer = create_timer(host, last);

    if (last)
        last_timer = timer;
    return timer;
}

static void on_arm_timer(Timer *timer, uint64_t at_usec)
{
    arm_timer(timer, timer == last_timer ? usec_add(at_usec, 3600 * USEC_PER_SEC) : at_usec);
}

/* There always is something else that is due. */
static void test_turn_without_end(void)
{
    keeper_setup();
    TimerHost *timers = virtual_loop_timers(fixture.loop);

    create_timer = timers->create;
    arm_timer = timers->arm;
    timers->create = on_create_timer;
    timers->arm = on_arm_timer;
    requests_free(requests);
    requests = requests_new(keeper, map);
    ask_create("1", "a", false);
    core_fixture_advance(&fixture, 3 * USEC_PER_MSEC);
    ask_create("2", "b", false);
    core_fixture_advance(&fixture, 2 * USEC_PER_MSEC - 1);
    assert_answers("");
    core_fixture_advance(&fixture, 1);
    assert_answers("1:ok 2:ok ");
    assert_log("begin service:a config:a:1 service:b config:b:1 commit:power\n");
    keeper_teardown();
}

static uint64_t (*monotonic)(Clock *clock);
static uint64_t slow_usec;

static uint64_t on_slow_monotonic(Clock *clock)
{
    return monotonic(clock) + slow_usec;
}

static void on_slow_change(const Change *change, void *data)
{
    slow_usec += 400;
}

static void on_slow_check(JsonContext *context, Config *config)
{
    slow_usec += 400;
}

static void ask_slow(char *id, unsigned i)
{
    RequestSpec spec = {.type = REQUEST_CREATE,
                        .id = id,
                        .create = {.id = id, .kind = "slow", .config = "{}", .config_length = 2}};

    (void)g_snprintf(id, 8, "s%u", i);
    ask_spec("", &spec);
}

/* To read a configuration may take longer than to do what it asks for. */
static void test_turn_of_readers(void)
{
    static const unsigned totals[] = {10, 26, 42, 50};
    char ids[50][8];

    keeper_setup();
    Clock *clock = virtual_loop_clock(fixture.loop);
    Kind kind = kind_fake;
    kind.name = "slow";
    kind.config_check = on_slow_check;
    map_register_kind(map, &kind);
    slow_usec = 0;
    monotonic = clock->monotonic_usec;
    clock->monotonic_usec = on_slow_monotonic;
    for (unsigned i = 0; i < 10; i++)
        ask_slow(ids[i], i);
    core_fixture_settle(&fixture);
    for (unsigned i = 10; i < G_N_ELEMENTS(ids); i++)
        ask_slow(ids[i], i);
    for (unsigned i = 0; i < G_N_ELEMENTS(totals); i++) {
        g_assert_cmpuint(map_counts(map)->total, ==, totals[i]);
        core_fixture_advance(&fixture, slow_usec);
    }
    clock->monotonic_usec = monotonic;
    keeper_teardown();
}

/* Sixteen creates take longer than others may be kept waiting. */
static void test_turn_of_others(void)
{
    static const unsigned totals[] = {10, 26, 42, 50};
    char ids[50][8];

    keeper_setup();
    Clock *clock = virtual_loop_clock(fixture.loop);
    FeedListener *slow = feed_listen(fixture.core->feed, on_slow_change, NULL);
    slow_usec = 0;
    monotonic = clock->monotonic_usec;
    clock->monotonic_usec = on_slow_monotonic;
    for (unsigned i = 0; i < 10; i++) { /* shows how long they take */
        g_snprintf(ids[i], sizeof(ids[i]), "s%u", i);
        ask_create("", ids[i], false);
    }
    core_fixture_settle(&fixture);
    for (unsigned i = 10; i < G_N_ELEMENTS(ids); i++) {
        g_snprintf(ids[i], sizeof(ids[i]), "s%u", i);
        ask_create("", ids[i], false);
    }
    for (unsigned i = 0; i < G_N_ELEMENTS(totals); i++) {
        g_assert_cmpuint(map_counts(map)->total, ==, totals[i]);
        g_assert_cmpuint(memory->n_calls[MEMORY_COMMIT], ==, i + 1);
        g_assert_cmpint(requests_are_pending(requests), ==, totals[i] < G_N_ELEMENTS(ids));
        core_fixture_advance(&fixture, slow_usec);
    }
    clock->monotonic_usec = monotonic;
    feed_unlisten(slow);
    keeper_teardown();
}

static void test_nothing_is_kept(void)
{
    keeper_setup();
    requests_free(requests);
    keeper_free(keeper);
    keeper = keeper_new(map, NULL);
    requests = requests_new(keeper, map);
    ask_create("create", "a", true);
    assert_answers("create:ok ");
    ask("stop", REQUEST_STOP, "a");
    assert_answers("stop:ok ");
    assert_log("");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    g_assert_null(keeper_durable(keeper));
    keeper_teardown();
}

static void test_transient(void)
{
    CreateSpec create = {.id = "a", .kind = "fake", .source = SOURCE_TRANSIENT};
    RequestSpec spec = {.type = REQUEST_CREATE, .origin = origin_test, .create = create};

    keeper_setup();
    memory->is_broken = true; /* and no harm is done */
    ask_spec("create", &spec);
    core_fixture_settle(&fixture);
    ask_configure("configure", "a", "{}");
    core_fixture_settle(&fixture);
    ask_enabled("enable", "a", true);
    core_fixture_settle(&fixture);
    ask("start", REQUEST_START, "a");
    core_fixture_settle(&fixture);
    ask("restart", REQUEST_RESTART, "a");
    core_fixture_settle(&fixture);
    ask("delete", REQUEST_DELETE, "a");
    core_fixture_settle(&fixture);
    assert_answers("create:ok configure:ok enable:ok start:ok restart:ok delete:ok ");
    assert_log("");
    g_assert_cmpstr(keeper_error(keeper), ==, "");
    keeper_teardown();
}

/* What is not to be kept shares nothing with what is, but the turn. */
static void test_transient_beside_kept(void)
{
    CreateSpec create = {.id = "a", .kind = "fake", .source = SOURCE_TRANSIENT};
    RequestSpec spec = {.type = REQUEST_CREATE, .origin = origin_test, .create = create};

    keeper_setup();
    durable_memory_fail(memory, MEMORY_COMMIT, 1);
    ask_create("kept", "b", false);
    ask_spec("transient", &spec);
    core_fixture_settle(&fixture);
    assert_answers("kept:Failed transient:ok ");
    assert_seen("+a ");
    create.id = "c";
    spec.create = create;
    (void)keep("d", "{}");
    ask("stop", REQUEST_STOP, "d");
    ask_spec("transient", &spec);
    core_fixture_settle(&fixture);
    assert_log("begin state:d:unwanted,0 commit:crash\n"); /* nobody waits for a sync */
    keeper_teardown();
}

/* Refusals */

static void test_refused_ones_hurt_no_other(void)
{
    keeper_setup();
    Service *kept = keep("kept", "{}");

    ask_create("good", "a", false);
    ask("missing", REQUEST_START, "nobody");
    ask_create("taken", "kept", false);
    ask_configure("invalid", "a-b", "{}");
    ask_configure("mistaken", "kept", "{\"value\": 5}");
    ask("started", REQUEST_START, "kept");
    ask_create("good-too", "b", false);
    core_fixture_settle(&fixture);
    assert_answers("missing:NotFound taken:IdExists invalid:NotFound mistaken:InvalidConfig "
                   "started:AlreadyStarted good:ok good-too:ok ");
    assert_log("begin service:a config:a:1 service:b config:b:1 commit:power\n");
    assert_seen("+a +b ");
    g_assert_cmpuint(service_state(kept)->config_revision, ==, 1);
    ask("started", REQUEST_START, "kept");
    core_fixture_settle(&fixture);
    assert_log(""); /* there was nothing to write */
    keeper_teardown();
}

static void test_minted_id(void)
{
    keeper_setup();
    ask_create("1", NULL, true);
    ask_create("2", "", false);
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:ok ");
    g_assert_cmpuint(g_hash_table_size(memory->services), ==, 2);
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        g_assert_cmpuint(strlen(service_id(each)), ==, 36);
        g_assert_true(durable_memory_find(memory, service_id(each))->created);
    }
    keeper_teardown();
}

/* One that knows which id it will be need not wait for it. */
static void test_minted_id_is_known(void)
{
    keeper_setup_with(ID_IS_KIND, 0);
    ask_create("create", NULL, false);
    ask("start", REQUEST_START, "fake");
    ask_create("again", NULL, false);
    core_fixture_settle(&fixture);
    assert_answers("create:ok again:IdExists start:ok ");
    keeper_teardown();
}

static void test_room(void)
{
    keeper_setup_with(ID_IS_UUID, 2);
    ask_create("1", "a", false);
    ask_create("2", "b", false);
    ask_create("3", "c", false);
    durable_memory_fail(memory, MEMORY_COMMIT, 1);
    core_fixture_settle(&fixture);
    assert_answers("3:LimitExceeded 1:Failed 2:Failed ");
    ask_create("1", "c", false); /* room and ids are free again */
    ask_create("2", "a", false);
    core_fixture_settle(&fixture);
    assert_answers("1:ok 2:ok ");
    ask("delete", REQUEST_DELETE, "a");
    core_fixture_settle(&fixture);
    ask_create("3", "b", false);
    core_fixture_settle(&fixture);
    assert_answers("delete:ok 3:ok ");
    keeper_teardown();
}

/* As if the client had waited for each. */
static void test_room_that_a_delete_makes(void)
{
    keeper_setup_with(ID_IS_UUID, 1);
    ask_create("1", "a", false);
    core_fixture_settle(&fixture);
    ask("delete", REQUEST_DELETE, "a");
    ask_create("2", "b", false);
    core_fixture_settle(&fixture);
    assert_answers("1:ok delete:ok 2:ok ");
    g_assert_null(durable_memory_find(memory, "a"));
    g_assert_nonnull(durable_memory_find(memory, "b"));
    keeper_teardown();
}

static void test_of_a_definition(void)
{
    CreateSpec create = {.id = "a",
                         .kind = "fake",
                         .config = "{\"value\": \"file\"}",
                         .config_length = 17,
                         .source = SOURCE_DEFINITION,
                         .directory = "/etc/services",
                         .revision = 7,
                         .config_source = CONFIG_FROM_DEFINITION};

    keeper_setup();
    g_assert_nonnull(map_create(map, &create, &origin_test, NULL));
    ask("delete", REQUEST_DELETE, "a");
    core_fixture_settle(&fixture);
    assert_answers("delete:Immutable ");
    assert_refused_with("/etc/services/a.json");
    assert_log("");
    ask_configure("configure", "a", "{}");
    core_fixture_settle(&fixture);
    assert_log("begin config:a:7 config:a:8 commit:power\n"); /* what the file said stays known */
    ask_configure("configure", "a", "{\"value\": \"x\"}");
    core_fixture_settle(&fixture);
    assert_log("begin config:a:9 commit:power\n");
    const MemoryService *kept = durable_memory_find(memory, "a");

    g_assert_false(kept->created);
    g_assert_cmpuint(kept->revisions->len, ==, 3);
    g_assert_cmpint(((DurableRevision *)kept->revisions->pdata[0])->source, ==,
                    CONFIG_FROM_DEFINITION);
    g_assert_cmpstr(durable_memory_config(kept)->text, ==, "{\"value\": \"x\"}");
    keeper_teardown();
}

static void test_everything_about_it_is_kept(void)
{
    g_autoptr(GHashTable) labels = g_hash_table_new(g_str_hash, g_str_equal);
    CreateSpec create = {.id = "a",
                         .kind = "other",
                         .config = "{\"value\": \"x\"}, not of it",
                         .config_length = 14,
                         .start = true,
                         .enabled = true,
                         .description = "an A",
                         .labels = labels};

    keeper_setup();
    g_hash_table_insert(labels, (void *)"tier", (void *)"front");
    ask_spec("create",
             &(RequestSpec){.type = REQUEST_CREATE, .origin = origin_test, .create = create});
    core_fixture_settle(&fixture);
    assert_log("begin service:a config:a:1 enabled:a:1 state:a:wanted,0 commit:power\n");
    const MemoryService *kept = durable_memory_find(memory, "a");
    const DurableRevision *revision = durable_memory_config(kept);

    g_assert_cmpstr(kept->kind, ==, "other");
    g_assert_cmpstr(kept->description, ==, "an A");
    g_assert_cmpstr(g_hash_table_lookup(kept->labels, "tier"), ==, "front");
    g_assert_cmpint(revision->source, ==, CONFIG_FROM_BUS);
    g_assert_cmpstr(revision->text, ==, "{\"value\": \"x\"}");
    g_assert_cmpuint(revision->time, ==, service_state(map_find(map, "a"))->last_config_time);
    keeper_teardown();
}

/* A start is refused only when it is tried: what was written of it is taken back. */
static void test_refused_in_the_doing(void)
{
    keeper_setup();
    Service *made = keep("a", "{\"start_limit\": {\"burst\": 1, \"interval\": \"1h\"}}");

    fake_stop_whatever(&fixture, made);
    core_fixture_advance(&fixture, USEC_PER_SEC);
    g_string_truncate(memory->log, 0);
    ask("start", REQUEST_START, "a");
    core_fixture_settle(&fixture);
    assert_answers("start:StartLimitHit ");
    assert_log("begin state:a:wanted,0 commit:crash\n");
    core_fixture_advance(&fixture, 10 * USEC_PER_MSEC);
    g_assert_false(durable_memory_find(memory, "a")->state.wanted);
    g_assert_nonnull(durable_memory_find(memory, "a")->state.error);
    keeper_teardown();
}

/* Answers */

static void forget_other(void)
{
    requests_forget(requests, (void *)"other");
}

static void test_forget(void)
{
    static const char *const other = "other";

    keeper_setup();
    ask_create(other, "a", false);
    requests_forget(requests, (void *)other);
    core_fixture_settle(&fixture);
    assert_answers("");
    assert_seen("+a "); /* it was asked for */
    keeper_teardown();
}

/* Whoever goes while others of its group are answered. */
static void test_forget_from_an_answer(void)
{
    keeper_setup();
    ask_create("first", "a", false);
    ask_create("other", "b", false);
    on_answer = forget_other;
    core_fixture_settle(&fixture);
    assert_answers("first:ok ");
    assert_seen("+a +b ");
    ask_create("first", "a", false); /* it is answered when it is checked */
    ask_create("other", "c", false);
    on_answer = forget_other;
    core_fixture_settle(&fixture);
    assert_answers("first:IdExists ");
    assert_seen("+c ");
    keeper_teardown();
}

static void flush_again(void)
{
    ask_create("more", "c", false);
    requests_flush(requests);
    assert_answers("first:ok ");
}

static void test_flush_from_an_answer(void)
{
    keeper_setup();
    ask_create("first", "a", false);
    ask_create("second", "b", false);
    on_answer = flush_again;
    requests_flush(requests);
    assert_answers("second:ok more:ok ");
    assert_seen("+a +b +c ");
    g_assert_false(requests_are_pending(requests));
    g_assert_cmpuint(virtual_loop_n_armed(fixture.loop), ==, 0); /* nothing is left to wake for */
    keeper_teardown();
}

/* Somebody who must not overtake does not wait for the turn's end. */
static void test_flush(void)
{
    keeper_setup();
    ask_create("create", "a", true);
    requests_flush(requests);
    assert_answers("create:ok ");
    requests_flush(requests);
    assert_log("begin service:a config:a:1 state:a:wanted,0 commit:power\n");
    keeper_teardown();
}

typedef struct TestRow {
    const char *path;
    void (*func)(void);
} TestRow;

static const TestRow test_rows[] = {
        {"/requests/group/creates", test_group_of_creates},
        {"/requests/group/levels", test_group_levels},
        {"/requests/group/one-service", test_one_service_one_group},
        {"/requests/group/bounded", test_group_is_bounded},
        {"/requests/group/large", test_group_of_large_ones},
        {"/requests/group/turn-without-end", test_turn_without_end},
        {"/requests/group/turn-of-others", test_turn_of_others},
        {"/requests/group/turn-of-readers", test_turn_of_readers},
        {"/requests/nothing-kept", test_nothing_is_kept},
        {"/requests/transient/alone", test_transient},
        {"/requests/transient/beside-kept", test_transient_beside_kept},
        {"/requests/refused/hurt-no-other", test_refused_ones_hurt_no_other},
        {"/requests/refused/in-the-doing", test_refused_in_the_doing},
        {"/requests/id/minted", test_minted_id},
        {"/requests/id/known", test_minted_id_is_known},
        {"/requests/room/prepared-count", test_room},
        {"/requests/room/after-a-delete", test_room_that_a_delete_makes},
        {"/requests/of-a-definition", test_of_a_definition},
        {"/requests/keeps-everything", test_everything_about_it_is_kept},
        {"/requests/forget/pending", test_forget},
        {"/requests/forget/from-an-answer", test_forget_from_an_answer},
        {"/requests/flush/from-an-answer", test_flush_from_an_answer},
        {"/requests/flush/now", test_flush},
};

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(test_rows); i++)
        g_test_add_func(test_rows[i].path, test_rows[i].func);
    return g_test_run();
}
