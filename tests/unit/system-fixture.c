/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "system-fixture.h"

#include <string.h>

Service *make(const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    Service *service = create_full(id, "fake", text, false, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
    return service;
}

Service *find(const char *id)
{
    Service *service = map_find(map, id);
    g_assert_nonnull(service);
    return service;
}

void ok(const char *id)
{
    core_fixture_settle(&fixture);
    g_assert_true(fake_of(find(id))->context_open);
    fake_apply_ok(find(id));
    core_fixture_settle(&fixture);
}

void fail(const char *id, const char *message, bool abort)
{
    core_fixture_settle(&fixture);
    g_assert_true(fake_of(find(id))->context_open);
    fake_apply_fail(find(id), message, abort);
    core_fixture_settle(&fixture);
}

void stopped(const char *id)
{
    core_fixture_settle(&fixture);
    g_assert_true(fake_of(find(id))->stop_asked);
    fake_stop_done(find(id), NULL);
    core_fixture_settle(&fixture);
}

void up(const char *id)
{
    g_autoptr(GError) error = NULL;
    service_start(find(id), &origin_test, &error);
    g_assert_no_error(error);
    ok(id);
}

void stop(const char *id)
{
    g_autoptr(GError) error = NULL;
    service_stop(find(id), &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

char *states(const char *ids)
{
    g_autoptr(GString) text = g_string_new(NULL);
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    for (char **id = list; *id != NULL; id++) {
        const StateRecord *record = service_state(find(*id));
        g_string_append_printf(text, "%s%s:%s", text->len > 0 ? " " : "", *id,
                               state_to_string(record->state));
        if (*record->sub_state != '\0')
            g_string_append_printf(text, "(%s)", record->sub_state);
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

/* True: something was on its way. */
static bool system_answer(Service *service)
{
    if (service_kind(service)->apply != kind_fake.apply || service_find_instance(service) == NULL)
        return false;
    if (fake_of(service)->context_open)
        fake_apply_ok(service);
    else if (fake_of(service)->stop_asked)
        fake_stop_done(service, NULL);
    else
        return false;
    return true;
}

static void system_answer_all(void)
{
    bool again = true;
    while (again) {
        again = false;
        core_fixture_settle(&fixture);
        for (Service *each = map_next(map, NULL), *next; each != NULL; each = next) {
            g_autoptr(Service) service = service_ref(each); /* one that is being deleted goes */
            again |= system_answer(service);
            next = map_next(map, service_id(service));
        }
    }
}

void system_teardown(void)
{
    system_answer_all();
    for (Service *each = map_next(map, NULL), *next; each != NULL; each = next) {
        g_autoptr(Service) service = service_ref(each);
        if (service_state(service)->active)
            (void)service_stop(service, &origin_test, NULL); /* Busy: it is stopping already */
        next = map_next(map, service_id(service));
    }
    system_answer_all();
    teardown();
}

char *render_plan(const Plan *plan)
{
    g_autoptr(GString) text = g_string_new(NULL);
    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = plan->steps->pdata[i];
        g_string_append_printf(text, "%s%s %s", i > 0 ? ", " : "",
                               plan_action_to_string(step->action), step->id);
        if (step->because != NULL)
            g_string_append_printf(text, " (%s %s)", step->because,
                                   relation_to_string(step->relation));
        if (step->after != NULL) {
            g_autofree char *after = g_strjoinv(" ", step->after);
            g_string_append_printf(text, " after %s", after);
        }
        g_assert_true(step->service == map_find(map, step->id));
    }
    return g_string_free(g_steal_pointer(&text), FALSE);
}

GPtrArray *find_all(const char *ids)
{
    GPtrArray *services = g_ptr_array_new();
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    for (char **id = list; *id != NULL; id++)
        g_ptr_array_add(services, find(*id));
    return services;
}
