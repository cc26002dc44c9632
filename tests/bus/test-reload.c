/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ReloadDefinitions, with a reader of definitions that answers when the test says so. */

#include "bus-fixture.h"

static BusFixture fixture;
static BusClient *client;

typedef struct FakeReloader {
    Reloader reloader;
    unsigned n_calls;
    bool dry_run;
    const char *method; /* of the origin */
    ReloadDone done;    /* NULL: nobody waits */
    void *data;
    bool at_once;
} FakeReloader;

static FakeReloader fake;

static ReloadReport *report_new(void)
{
    ReloadReport *report = g_new0(ReloadReport, 1);

    report->created = g_ptr_array_new();
    report->changed = g_ptr_array_new();
    report->removed = g_ptr_array_new();
    report->unchanged = g_ptr_array_new();
    report->failed = g_hash_table_new(g_str_hash, g_str_equal);
    return report;
}

static void report_free(ReloadReport *report)
{
    g_ptr_array_unref(report->created);
    g_ptr_array_unref(report->changed);
    g_ptr_array_unref(report->removed);
    g_ptr_array_unref(report->unchanged);
    g_hash_table_unref(report->failed);
    g_free(report);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ReloadReport, report_free)

static void fake_answer(const ReloadReport *report, const GError *error)
{
    ReloadDone done = g_steal_pointer(&fake.done);

    g_assert_nonnull(done);
    done(report, error, fake.data);
    bus_fixture_turn(&fixture);
}

static void fake_reload(Reloader *reloader, bool dry_run, const Origin *origin, ReloadDone done,
                        void *data)
{
    g_assert_true(reloader == &fake.reloader);
    fake.n_calls++;
    fake.dry_run = dry_run;
    fake.method = origin->method;
    fake.done = done;
    fake.data = data;
    if (fake.at_once) {
        g_autoptr(ReloadReport) report = report_new();

        fake.done = NULL;
        done(report, NULL, data);
    }
}

static void fake_forget(Reloader *reloader, void *data)
{
    g_assert_true(reloader == &fake.reloader && data == fake.data);
    fake.done = NULL;
}

static void setup(void)
{
    fake = (FakeReloader){.reloader = {fake_reload, fake_forget}};
    bus_fixture_reloader = &fake.reloader;
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
}

static void teardown(void)
{
    bus_fixture_done(&fixture);
    bus_fixture_reloader = NULL;
}

static Pending *start_reload(BusClient *by)
{
    Pending *pending = bus_client_start(by, ROOT, MANAGER, "ReloadDefinitions", "a{sv}", 0);

    bus_fixture_turn(&fixture);
    return pending;
}

/* Every list, in the order it was told; what failed in the order of ids. */
static void test_report(void)
{
    setup();
    g_autoptr(Pending) pending = start_reload(client);
    g_autoptr(ReloadReport) report = report_new();

    g_assert_null(pending->reply); /* it takes as long as it takes */
    g_assert_false(fake.dry_run);
    g_assert_cmpstr(fake.method, ==, "ReloadDefinitions");
    g_ptr_array_add(report->created, (void *)"a");
    g_ptr_array_add(report->created, (void *)"b");
    g_ptr_array_add(report->changed, (void *)"c");
    g_ptr_array_add(report->removed, (void *)"d");
    g_ptr_array_add(report->unchanged, (void *)"e");
    g_hash_table_insert(report->failed, (void *)"z", (void *)"line 2");
    g_hash_table_insert(report->failed, (void *)"f", (void *)"line 1");
    fake_answer(report, NULL);
    g_autofree char *text = message_to_text(pending_assert_reply(pending));

    g_assert_cmpstr(text, ==,
                    "a(e(created v(a(a b ) ) ) e(changed v(a(c ) ) ) e(removed v(a(d ) ) ) "
                    "e(unchanged v(a(e ) ) ) e(failed v(a(e(f line 1 ) e(z line 2 ) ) ) ) )");
    teardown();
}

static void test_at_once(void)
{
    setup();
    fake.at_once = true;
    g_autoptr(Pending) pending = start_reload(client);
    g_autofree char *text = message_to_text(pending_assert_reply(pending));

    g_assert_cmpstr(text, ==,
                    "a(e(created v(a() ) ) e(changed v(a() ) ) e(removed v(a() ) ) "
                    "e(unchanged v(a() ) ) e(failed v(a() ) ) )");
    teardown();
}

static void test_dry_run(void)
{
    setup();
    fake.at_once = true;
    sd_bus_message_unref(bus_client_call(client, ROOT, MANAGER, "ReloadDefinitions", "a{sv}", 1,
                                         "dry_run", "b", 1));
    g_assert_true(fake.dry_run);
    bus_client_refused(client, ERROR_INVALID_ARGS, "'dry'", ROOT, MANAGER, "ReloadDefinitions",
                       "a{sv}", 1, "dry", "b", 1);
    bus_client_refused(client, ERROR_INVALID_ARGS, "dry_run", ROOT, MANAGER, "ReloadDefinitions",
                       "a{sv}", 1, "dry_run", "s", "yes");
    g_assert_cmpuint(fake.n_calls, ==, 1);
    teardown();
}

static void test_error(void)
{
    g_autoptr(GError) error = g_error_new(SVCMGR_ERROR, ERROR_FAILED, "/etc/svcmgr: unreadable");

    setup();
    g_autoptr(Pending) pending = start_reload(client);

    fake_answer(NULL, error);
    pending_assert_error(pending, ERROR_FAILED, "/etc/svcmgr: unreadable");
    teardown();
}

static void test_client_gone(void)
{
    setup();
    BusClient *other = bus_client_new(&fixture, BUS_CLIENT_DEAF);
    g_autoptr(Pending) pending = start_reload(other);

    g_assert_nonnull(fake.done);
    g_clear_pointer(&pending->slot, sd_bus_slot_unref);
    bus_client_close(other);
    bus_fixture_turn(&fixture);
    g_assert_null(fake.done);
    teardown();
}

static void on_drained(void *data)
{
}

static void test_shutdown(void)
{
    setup();
    g_autoptr(Pending) pending = start_reload(client);

    bus_begin_shutdown(fixture.bus);
    bus_client_refused(client, ERROR_SHUTTING_DOWN, NULL, ROOT, MANAGER, "ReloadDefinitions",
                       "a{sv}", 0);
    bus_drain(fixture.bus, USEC_PER_SEC, on_drained, NULL);
    bus_fixture_turn(&fixture);
    pending_assert_error(pending, ERROR_SHUTTING_DOWN, "ReloadDefinitions");
    g_assert_null(fake.done);
    teardown();
}

static void test_no_definitions(void)
{
    setup();
    bus_fixture_done(&fixture);
    bus_fixture_reloader = NULL;
    bus_fixture_init(&fixture);
    client = bus_client_new(&fixture, BUS_CLIENT_LISTENING);
    bus_client_refused(client, ERROR_NOT_SUPPORTED, "definitions", ROOT, MANAGER,
                       "ReloadDefinitions", "a{sv}", 0);
    teardown();
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reload/report", test_report);
    g_test_add_func("/reload/at-once", test_at_once);
    g_test_add_func("/reload/dry-run", test_dry_run);
    g_test_add_func("/reload/error", test_error);
    g_test_add_func("/reload/client-gone", test_client_gone);
    g_test_add_func("/reload/shutdown", test_shutdown);
    g_test_add_func("/reload/no-definitions", test_no_definitions);
    return g_test_run();
}
