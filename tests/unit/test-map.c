/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The map: creating, finding and deleting services. */

#include "map-fixture.h"

#include "base/errors.h"
#include "base/parse.h"

#include <string.h>

static void test_create_configures_before_start(void)
{
    setup();
    Service *service = create("web", true);
    assert_state(service, STATE_STARTING);
    assert_seen("+web "); /* one announcement, of the whole */
    g_assert_cmpuint(service_state(service)->serial, ==, 1);
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply() ");
    fake_apply_ok(service);
    assert_seen("web:active ");
    assert_counts_are_a_recount();
    teardown();
}

static void test_create_refused(void)
{
    static const struct {
        const char *id, *kind, *config;
        ErrorCode code;
    } rows[] = {
            {"web", "fake", "{}", ERROR_ID_EXISTS},
            {".web", "fake", "{}", ERROR_INVALID_ID},
            {"-web", "fake", "{}", ERROR_INVALID_ID},
            {"a/b", "fake", "{}", ERROR_INVALID_ID},
            {"new", "nope", "{}", ERROR_UNKNOWN_KIND},
            {"new", "fake", "{\"valeu\": 1}", ERROR_INVALID_CONFIG},
            {"new", "fake", "", ERROR_INVALID_CONFIG},
    };
    setup();
    create("web", false);
    assert_seen("+web ");
    for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(create_full(rows[i].id, rows[i].kind, rows[i].config, true, &error));
        g_assert_error(error, SVCMGR_ERROR, (gint)rows[i].code);
        g_assert_cmpuint(map_counts(map)->total, ==, 1);
    }
    assert_seen(""); /* nobody saw anything */
    g_assert_cmpuint(fake_instances, ==, 0);
    const StateRecord *next = service_state(create("next", false)); /* and there is no gap */
    g_assert_cmpint(next->cause, ==, origin_test.cause); /* not the start, but somebody made it */
    g_assert_cmpstr(next->method, ==, origin_test.method);
    g_assert_cmpuint(service_state(map_find(map, "next"))->serial, ==, 2);
    teardown();
}

static void test_limit(void)
{
    g_autoptr(GError) error = NULL;
    setup_with(ID_IS_UUID, 2);
    create("a", false);
    create("b", false);
    g_assert_null(create_full("c", "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_LIMIT_EXCEEDED);
    delete ("a");
    create("c", false);
    teardown();
}

static void test_minted_ids(void)
{
    g_autoptr(GError) error = NULL;
    setup_with(ID_IS_UUID, 0);
    Service *first = create_full(NULL, "fake", NULL, false, NULL);
    Service *second = create_full("", "fake", NULL, false, NULL);
    g_assert_cmpuint(strlen(service_id(first)), ==, 36);
    g_assert_true(parse_id(service_id(first), NULL));
    g_assert_cmpstr(service_id(first), !=, service_id(second));
    teardown();
    setup_with(ID_IS_KIND, 0);
    g_assert_cmpstr(service_id(create_full(NULL, "fake", NULL, false, NULL)), ==, "fake");
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ID_EXISTS);
    g_clear_error(&error);
    teardown();
    setup_with(ID_REQUIRED, 0);
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_ID);
    teardown();
}

/* A source of randomness that repeats itself, so that every minted id is taken. */
static uint64_t stuck_next(Random *random)
{
    return 7;
}

static void test_minting_gives_up(void)
{
    g_autoptr(GError) error = NULL;
    Random stuck = {.next = stuck_next};
    setup();
    fixture.core->random = &stuck;
    g_assert_nonnull(create_full(NULL, "fake", NULL, false, NULL));
    g_assert_null(create_full(NULL, "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_ID_EXISTS);
    teardown();
}

static void test_order_is_that_of_ids(void)
{
    static const char *const ids[] = {"b", "a10", "a", "c", "a9", "B"};
    g_autoptr(GString) order = g_string_new(NULL);
    setup();
    for (unsigned i = 0; i < G_N_ELEMENTS(ids); i++)
        create(ids[i], false);
    for (Service *each = map_next(map, NULL); each != NULL; each = map_next(map, service_id(each)))
        g_string_append_printf(order, "%s ", service_id(each));
    g_assert_cmpstr(order->str, ==, "B a a10 a9 b c ");
    g_assert_cmpstr(service_id(map_next(map, "a5")), ==, "a9");
    teardown();
}

static unsigned n_deleted;

static void on_deleted(const StateRecord *state, void *data)
{
    g_assert_false(state->active);
    n_deleted++;
}

static void test_delete_waits_for_the_stop(void)
{
    g_autoptr(GError) error = NULL;
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    core_fixture_settle(&fixture);
    g_assert_cmpuint(n_deleted, ==, 0);
    g_assert_false(service_start(service, &origin_test, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_BUSY);
    g_assert_false(service_configure(service, "{}", 2, &origin_test, NULL, NULL));
    g_assert_false(service_stop(service, &origin_test, NULL));
    g_assert_false(service_restart(service, &origin_test, NULL));
    g_assert_false(service_reset_failed(service, &origin_test, NULL));
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL)); /* joins */
    fake_stop_done(service, NULL);
    g_assert_cmpuint(n_deleted, ==, 2);
    assert_seen("+web web:active web:stopping web:inactive -web ");
    g_assert_null(map_find(map, "web"));
    g_assert_cmpuint(fake_instances, ==, 0);
    assert_counts_are_a_recount();
    teardown();
}

static Caller *deleter_seen;

static void on_change_note_deleter(const Change *change, void *data)
{
    if (change->type == CHANGE_REMOVE) {
        g_assert_cmpint(change->cause, ==, CAUSE_METHOD);
        g_assert_cmpstr(change->method, ==, "DeleteService");
        deleter_seen = change->caller;
    }
}

/* Who deleted it is told, also when something else ended it first. */
static void test_delete_says_who(void)
{
    setup();
    Caller *caller = caller_new(1000, 1, "busctl");
    Origin origin = {.cause = CAUSE_METHOD, .method = "DeleteService", .caller = caller};
    FeedListener *noting = map_listen(map, on_change_note_deleter, NULL);
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    fake_ending(service, "died");
    deleter_seen = NULL;
    g_assert_true(map_delete(map, "web", &origin, NULL, NULL, NULL));
    g_assert_true(map_delete(map, "web", &origin_test, NULL, NULL, NULL)); /* joins, too late */
    fake_ended(service, "died");
    g_assert_true(deleter_seen == caller);
    feed_unlisten(noting);
    caller_unref(caller);
    teardown();
}

static void test_delete_joins_a_stop(void)
{
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    g_assert_true(service_restart(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    core_fixture_settle(&fixture);
    g_assert_cmpstr(fake_of(service)->calls->str, ==, "apply() stop ");
    fake_stop_done(service, NULL); /* and the second half of the restart does not come */
    g_assert_cmpuint(n_deleted, ==, 1);
    teardown();
}

static void test_delete_stopped_and_missing(void)
{
    g_autoptr(GError) error = NULL;
    setup();
    n_deleted = 0;
    create("web", false);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, NULL, NULL));
    g_assert_cmpuint(n_deleted, ==, 1); /* already stopped: at once */
    g_assert_false(map_delete(map, "web", &origin_test, on_deleted, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_FOUND);
    assert_seen("+web -web ");
    teardown();
}

static void assert_no_delete(const char *id, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(map_check_delete(map, id, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_HAS_DEPENDENTS);
    g_assert_cmpstr(error->message, ==, expected);
}

/* Who requires it is named; who only wants it, or is on its way out itself, does not matter. */
static void test_delete_required(void)
{
    setup();
    create("db", false);
    g_assert_nonnull(create_full("loose", "fake",
                                 "{\"wants\": [\"db\"], \"after\": [\"db\"], \"part_of\": "
                                 "[\"db\"], \"conflicts\": [\"web3\"]}",
                                 false, NULL));
    g_assert_true(map_check_delete(map, "db", NULL));
    for (unsigned i = 0; i < 10; i++) {
        g_autofree char *id = g_strdup_printf("web%u", i);
        g_assert_nonnull(create_full(id, "fake", "{\"requires\": [\"db\"]}", i == 3, NULL));
        if (i == 0)
            assert_no_delete("db", "service 'db' is required by 'web0'");
        if (i == 7)
            assert_no_delete("db", "service 'db' is required by 'web0', 'web1', 'web2', 'web3', "
                                   "'web4', 'web5', 'web6', 'web7'");
    }
    assert_no_delete("db", "service 'db' is required by 'web0', 'web1', 'web2', 'web3', 'web4', "
                           "'web5', 'web6', 'web7' and 2 more");
    core_fixture_settle(&fixture);
    for (unsigned i = 0; i < 10; i++) {
        g_autofree char *id = g_strdup_printf("web%u", i);
        delete (id);
    }
    g_assert_true(service_is_deleting(map_find(map, "web3"))); /* it runs */
    g_assert_true(map_check_delete(map, "db", NULL));
    teardown();
}

static void test_delete_forgotten(void)
{
    setup();
    n_deleted = 0;
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    g_assert_true(map_delete(map, "web", &origin_test, on_deleted, &fixture, NULL));
    map_delete_forget(map, on_deleted, &fixture);
    core_fixture_settle(&fixture);
    fake_stop_done(service, NULL);
    g_assert_cmpuint(n_deleted, ==, 0);
    g_assert_null(map_find(map, "web"));
    teardown();
}

static void on_change_delete_it(const Change *change, void *data)
{
    if (change->type == CHANGE_UPDATE && !change->new_state->active)
        (void)map_delete(map, service_id(change->service), &origin_test, NULL, NULL, NULL);
}

/* A listener deletes the service from inside its callback; the others see both changes, in order.
 */
static void test_delete_inside_a_callback(void)
{
    setup();
    feed_unlisten(listener);
    FeedListener *deleter = map_listen(map, on_change_delete_it, NULL);
    listener = map_listen(map, on_change, NULL);
    Service *service = create("web", true);
    core_fixture_settle(&fixture);
    fake_apply_ok(service);
    fake_ended(service, NULL);
    assert_seen("+web web:active web:inactive -web ");
    g_assert_cmpuint(fake_instances, ==, 0);
    feed_unlisten(deleter);
    teardown();
}

/* One takes back that it has failed, one starts it, and one deletes it, all from inside the change
 * by which it failed. */
static void on_change_reset_it(const Change *change, void *data)
{
    if (change->type == CHANGE_UPDATE && change->new_state->state == STATE_FAILED)
        (void)service_reset_failed(change->service, &origin_test, NULL);
}

static void on_change_start_it(const Change *change, void *data)
{
    if (change->type == CHANGE_UPDATE && change->new_state->state == STATE_FAILED)
        (void)service_start(change->service, &origin_test, NULL);
}

static void on_change_delete_failed(const Change *change, void *data)
{
    if (change->type == CHANGE_UPDATE && change->new_state->state == STATE_FAILED)
        delete (service_id(change->service));
}

static void test_delete_of_one_that_was_started_again(void)
{
    static const ChangeFunc funcs[] = {on_change_reset_it, on_change_start_it,
                                       on_change_delete_failed};
    FeedListener *listeners[G_N_ELEMENTS(funcs)];
    setup();
    Service *service = create("a", true);
    core_fixture_settle(&fixture);
    for (size_t i = 0; i < G_N_ELEMENTS(funcs); i++)
        listeners[i] = map_listen(map, funcs[i], NULL);
    fake_apply_fail(service, "cannot", true);
    core_fixture_settle(&fixture);
    g_assert_true(map_find(map, "a") == service); /* it was up again, and has to stop first */
    assert_state(service, STATE_STOPPING);
    fake_stop_done(service, NULL);
    g_assert_null(map_find(map, "a"));
    for (size_t i = 0; i < G_N_ELEMENTS(funcs); i++)
        feed_unlisten(listeners[i]);
    teardown();
}

static void test_immutable(void)
{
    g_autoptr(GError) error = NULL;
    core_fixture_init(&fixture);
    Service *services[] = {service_new(fixture.core, "0", &kind_fake),
                           service_new(fixture.core, "1", &kind_fake)};
    map = map_new_immutable(fixture.core, services, G_N_ELEMENTS(services));
    map_register_kind(map, &kind_fake);
    seen = g_string_new(NULL);
    listener = NULL;
    g_assert_true(map_find(map, "1") == services[1]);
    g_assert_null(create_full("2", "fake", NULL, false, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_IMMUTABLE);
    g_clear_error(&error);
    g_assert_false(map_delete(map, "0", &origin_test, NULL, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_IMMUTABLE);
    g_assert_true(service_start(services[0], &origin_test, NULL));
    teardown();
}

static void test_broken(void)
{
    g_autoptr(GError) reason =
            g_error_new_literal(SVCMGR_ERROR, ERROR_INVALID_CONFIG, "x.json: line 1");
    g_autoptr(GError) error = NULL;
    setup();
    Service *unknown = map_create_broken(
            map, &(CreateSpec){.id = "x", .kind = "nope", .description = "X", .enabled = true},
            reason, &origin_test, NULL);
    Service *known = map_create_broken(map, &(CreateSpec){.id = "y", .kind = "fake"}, reason,
                                       &origin_test, NULL);
    g_assert_cmpstr(service_about(unknown)->description, ==, "X");
    g_assert_true(service_about(unknown)->enabled);
    g_assert_cmpstr(service_kind(unknown)->name, ==, "invalid");
    g_assert_cmpstr(service_kind(known)->name, ==, "fake");
    g_assert_false(service_configure(unknown, "{}", 2, &origin_test, NULL, &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_INVALID_CONFIG);
    g_assert_cmpuint(map_counts(map)->by_state[STATE_FAILED], ==, 2);
    g_assert_cmpuint(map_counts(map)->inactive_failed, ==, 2);
    delete ("x");
    g_assert_cmpuint(map_counts(map)->total, ==, 1);
    teardown();
}

/* In two halves */

static Service *prepare(const char *id, ErrorCode *ret_code)
{
    CreateSpec spec = {.id = id, .kind = "fake", .config = "{}", .config_length = 2};
    g_autoptr(GError) error = NULL;
    Service *prepared = map_prepare(map, &spec, &origin_test, &error);

    g_assert_true((prepared == NULL) == (error != NULL));
    *ret_code = error != NULL ? (ErrorCode)error->code : ERROR_FAILED;
    return prepared;
}

/* Nobody sees it, but its id and its room are taken until it is published or discarded. */
static void test_prepare(void)
{
    ErrorCode code;

    setup_with(ID_REQUIRED, 2);
    Service *a = prepare("a", &code);

    g_assert_null(map_find(map, "a"));
    g_assert_null(map_next(map, NULL));
    g_assert_cmpuint(map_counts(map)->total, ==, 0);
    g_assert_null(prepare("a", &code));
    g_assert_cmpint(code, ==, ERROR_ID_EXISTS);
    Service *b = prepare("b", &code);

    g_assert_null(prepare("c", &code));
    g_assert_cmpint(code, ==, ERROR_LIMIT_EXCEEDED);
    assert_seen("");
    map_discard(map, b);
    map_publish(map, a, true, &origin_test);
    assert_seen("+a ");
    assert_state(a, STATE_STARTING);
    g_assert_true(map_find(map, "a") == a);
    g_assert_null(prepare("a", &code));
    g_assert_cmpint(code, ==, ERROR_ID_EXISTS);
    b = prepare("b", &code);
    map_publish(map, b, false, &origin_test);
    assert_seen("+b ");
    assert_state(b, STATE_INACTIVE);
    assert_counts_are_a_recount();
    teardown();
}

static void test_check_delete(void)
{
    CreateSpec spec = {.id = "a",
                       .kind = "fake",
                       .source = SOURCE_DEFINITION,
                       .directory = g_intern_string("/etc/s")};
    g_autoptr(GError) error = NULL;

    setup();
    g_assert_nonnull(map_create(map, &spec, &origin_test, NULL));
    g_assert_false(map_check_delete(map, "a", &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_IMMUTABLE);
    g_assert_nonnull(strstr(error->message, "/etc/s/a.json"));
    g_clear_error(&error);
    g_assert_false(map_check_delete(map, "b", &error));
    g_assert_error(error, SVCMGR_ERROR, ERROR_NOT_FOUND);
    create("b", false);
    g_assert_true(map_check_delete(map, "b", NULL));
    g_assert_nonnull(map_find(map, "b"));
    delete ("a"); /* whoever reads definitions may */
    g_assert_null(map_find(map, "a"));

    /* One that is on its way out is joined. */
    Service *leaving = map_create(map, &spec, &origin_test, NULL);
    g_assert_true(service_start(leaving, &origin_test, NULL));
    g_assert_true(map_delete(map, "a", &origin_test, NULL, NULL, NULL));
    core_fixture_settle(&fixture);
    g_assert_true(map_check_delete(map, "a", NULL));
    fake_stop_done(leaving, NULL);
    g_assert_null(map_find(map, "a"));
    teardown();
}

static void test_create_says_where_from(void)
{
    CreateSpec spec = {.id = "a",
                       .kind = "fake",
                       .config = "{}",
                       .config_length = 2,
                       .enabled = true,
                       .description = "",
                       .source = SOURCE_TRANSIENT,
                       .revision = 12,
                       .config_source = CONFIG_FROM_DEFINITION};

    setup();
    Service *made = map_create(map, &spec, &origin_test, NULL);

    g_assert_cmpuint(service_state(made)->config_revision, ==, 12);
    g_assert_cmpint(service_config_source(made), ==, CONFIG_FROM_DEFINITION);
    g_assert_cmpint(service_about(made)->source, ==, SOURCE_TRANSIENT);
    g_assert_true(service_about(made)->enabled);
    g_assert_null(service_about(made)->description); /* nothing was said */
    teardown();
}

static void test_kinds_are_sorted(void)
{
    setup();
    g_assert_cmpstr(map_kinds(map)[0]->name, ==, "fake");
    g_assert_cmpstr(map_kinds(map)[1]->name, ==, "other");
    g_assert_null(map_kinds(map)[2]);
    teardown();
}

/* One apply a turn: a thousand starts do not keep the loop from its other work. */

/* What was kept of an earlier run goes on from where it was. */
static void test_revisions_go_on(void)
{
    static const char config[] = "{\"value\": \"x\"}";
    CreateSpec spec = {.id = "a",
                       .kind = "fake",
                       .config = config,
                       .config_length = strlen(config),
                       .revision = 7,
                       .config_time = 1234,
                       .config_source = CONFIG_FROM_DEFINITION};
    setup();
    Service *service = map_create(map, &spec, &origin_test, NULL);
    g_assert_cmpuint(service_state(service)->config_revision, ==, 7);
    g_assert_cmpuint(service_state(service)->last_config_time, ==, 1234);
    g_assert_cmpint(service_config_source(service), ==, CONFIG_FROM_DEFINITION);

    Service *bare = map_create(map, &(CreateSpec){.id = "b", .kind = "fake", .revision = 7},
                               &origin_test, NULL);
    g_assert_null(service_state(bare)->config);
    g_assert_true(service_configure(bare, config, strlen(config), &origin_test, NULL, NULL));
    g_assert_cmpuint(service_state(bare)->config_revision, ==, 8);
    teardown();
}

int main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*func)(void);
    } tests[] = {
            {"/map/create/configures-before-start", test_create_configures_before_start},
            {"/map/create/refused-leaves-nothing", test_create_refused},
            {"/map/create/limit", test_limit},
            {"/map/create/minted-ids", test_minted_ids},
            {"/map/create/minting-gives-up", test_minting_gives_up},
            {"/map/create/broken", test_broken},
            {"/map/create/prepare", test_prepare},
            {"/map/create/where-from", test_create_says_where_from},
            {"/map/delete/check", test_check_delete},
            {"/map/order", test_order_is_that_of_ids},
            {"/map/kinds", test_kinds_are_sorted},
            {"/map/delete/waits-for-the-stop", test_delete_waits_for_the_stop},
            {"/map/delete/joins-a-stop", test_delete_joins_a_stop},
            {"/map/delete/says-who", test_delete_says_who},
            {"/map/delete/stopped-and-missing", test_delete_stopped_and_missing},
            {"/map/delete/required", test_delete_required},
            {"/map/delete/forgotten", test_delete_forgotten},
            {"/map/delete/inside-a-callback", test_delete_inside_a_callback},
            {"/map/delete/started-again", test_delete_of_one_that_was_started_again},
            {"/map/immutable", test_immutable},
    };
    g_test_init(&argc, &argv, NULL);
    for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add_func(tests[i].path, tests[i].func);
    g_test_add_func("/map/create/revisions-go-on", test_revisions_go_on);
    return g_test_run();
}
