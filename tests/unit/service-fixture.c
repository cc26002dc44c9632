/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service-fixture.h"

CoreFixture fixture;
Service *service;
static GString *seen;

static void on_change(const Change *change, void *data)
{
    const StateRecord *record = change->new_state;
    g_string_append_printf(seen, "%s(%s) ", state_to_string(record->state),
                           cause_to_string(record->cause));
    assert_service_invariants(change->service);
}

static FeedListener *listener;

void setup_listener(void)
{
    seen = g_string_new(NULL);
    listener = service_listen(service, on_change, NULL);
}

void setup(const char *config)
{
    core_fixture_init(&fixture);
    service = fixture_service(&fixture, config);
    setup_listener();
}

void teardown(void)
{
    fake_stop_whatever(&fixture, service);
    feed_unlisten(listener);
    service_unref(service);
    g_string_free(seen, TRUE);
    core_fixture_done(&fixture);
}

void assert_seen(const char *expected)
{
    g_assert_cmpstr(seen->str, ==, expected);
    g_string_truncate(seen, 0);
}

bool seen_ends_with(const char *expected)
{
    return g_str_has_suffix(seen->str, expected);
}

void start(void)
{
    g_autoptr(GError) error = NULL;
    service_start(service, &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void configure(const char *text)
{
    g_autoptr(GError) error = NULL;
    service_configure(service, text, strlen(text), &origin_test, NULL, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void stop(void)
{
    g_autoptr(GError) error = NULL;
    service_stop(service, &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}
