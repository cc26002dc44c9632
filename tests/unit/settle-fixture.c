/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "settle-fixture.h"

#include "base/errors.h"

#include <string.h>

Service *make_of(const char *kind, const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    Service *service = create_full(id, kind, config, false, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
    return service;
}

Service *make(const char *id, const char *config)
{
    return make_of("fake", id, config);
}

void begin(Service *service)
{
    g_autoptr(GError) error = NULL;
    (void)service_start(service, &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void finish(Service *service)
{
    assert_state(service, STATE_STARTING);
    fake_apply_ok(service);
    core_fixture_settle(&fixture);
}

void up(Service *service)
{
    begin(service);
    finish(service);
    assert_state(service, STATE_ACTIVE);
}

void end_stop(Service *service)
{
    assert_state(service, STATE_STOPPING);
    g_assert_true(fake_of(service)->stop_asked);
    fake_stop_done(service, NULL);
    core_fixture_settle(&fixture);
}

void begin_stop(Service *service)
{
    g_assert_true(service_stop(service, &origin_test, NULL));
    core_fixture_settle(&fixture);
}

void fail_for_good(Service *service)
{
    fake_apply_fail(service, "cannot", true);
    core_fixture_settle(&fixture);
    assert_state(service, STATE_FAILED);
}

void configure(Service *service, const char *config)
{
    g_autoptr(GError) error = NULL;
    (void)service_configure(service, config, strlen(config), &origin_test, NULL, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void assert_waits_for(Service *service, const char *expected)
{
    char *const *ids = links_waiting_for(service_state(service)->links);
    g_autofree char *names = ids != NULL ? g_strjoinv(" ", (char **)ids) : g_strdup("");
    g_assert_cmpstr(names, ==, expected);
}

void assert_required_by(Service *service, const char *expected)
{
    char *const *ids = links_required_by(service_state(service)->links);
    g_autofree char *names = ids != NULL ? g_strjoinv(" ", (char **)ids) : g_strdup("");
    g_assert_cmpstr(names, ==, expected);
}

void assert_waiting(Service *service, const char *sub_state, const char *ids)
{
    assert_state(service, STATE_WAITING);
    g_assert_cmpstr(service_state(service)->sub_state, ==, sub_state);
    assert_waits_for(service, ids);
    g_assert_cmpint(state_record_is_settled(service_state(service)), ==,
                    g_str_equal(sub_state, "blocked"));
}

void assert_blocked(Service *service, const char *id, ErrorCode code, const char *message)
{
    assert_waiting(service, "blocked", id);
    g_assert_error(service_state(service)->error, SVCMGR_ERROR, (int)code);
    g_assert_cmpstr(service_state(service)->error->message, ==, message);
    g_assert_cmpint(service_state(service)->failure_class, ==, FAILURE_DEPENDENCY);
}

static void play_story(const void *data)
{
    const Story *story = data;
    setup();
    story->play();
    teardown();
}

void add_stories(const Story *stories, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strconcat("/settle/", stories[i].path, NULL);
        g_test_add_data_func(path, &stories[i], play_story);
    }
}
