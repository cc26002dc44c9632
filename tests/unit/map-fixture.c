/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "map-fixture.h"

#include <string.h>

CoreFixture fixture;
Map *map;
GString *seen;
uint64_t last_serial;
FeedListener *listener;

void on_change(const Change *change, void *data)
{
    static const char *const marks[] = {"+", "", "-"};
    const char *id = service_id(change->service);
    g_assert_cmpuint(change->serial, ==, last_serial + 1);
    last_serial = change->serial;
    if (change->type == CHANGE_UPDATE)
        g_string_append_printf(seen, "%s:%s ", id, state_to_string(change->new_state->state));
    else
        g_string_append_printf(seen, "%s%s ", marks[change->type], id);
}

void setup_with(IdRule rule, unsigned max)
{
    core_fixture_init(&fixture);
    map = map_new(fixture.core, rule, max);
    map_register_kind(map, &kind_fake_other);
    map_register_kind(map, &kind_fake);
    seen = g_string_new(NULL);
    last_serial = 0;
    listener = map_listen(map, on_change, NULL);
}

void setup(void)
{
    setup_with(ID_IS_UUID, 0);
}

void teardown(void)
{
    for (Service *each = map_next(map, NULL), *next; each != NULL; each = next) {
        g_autoptr(Service) service = service_ref(each); /* one that is being deleted goes */
        fake_stop_whatever(&fixture, service);
        next = map_next(map, service_id(service));
    }
    feed_unlisten(listener);
    map_free(map);
    g_string_free(seen, TRUE);
    core_fixture_done(&fixture);
}

void assert_seen(const char *expected)
{
    g_assert_cmpstr(seen->str, ==, expected);
    g_string_truncate(seen, 0);
}

Service *create_full(const char *id, const char *kind, const char *config, bool start,
                     GError **error)
{
    CreateSpec spec = {.id = id,
                       .kind = kind,
                       .config = config,
                       .config_length = config != NULL ? strlen(config) : 0,
                       .start = start};
    return map_create(map, &spec, &origin_test, error);
}

Service *create(const char *id, bool start)
{
    g_autoptr(GError) error = NULL;
    Service *service = create_full(id, "fake", "{}", start, &error);
    g_assert_no_error(error);
    return service;
}

void delete (const char *id)
{
    g_autoptr(GError) error = NULL;
    map_delete(map, id, &origin_test, NULL, NULL, &error);
    g_assert_no_error(error);
}

void assert_counts_are_a_recount(void)
{
    MapCounts recount = {0};
    for (Service *each = map_next(map, NULL); each != NULL;
         each = map_next(map, service_id(each))) {
        const StateRecord *record = service_state(each);
        recount.total++;
        recount.active += record->active;
        recount.inactive_failed += !record->active && record->error != NULL;
        recount.by_state[record->state]++;
    }
    g_assert_cmpmem(&recount, sizeof recount, map_counts(map), sizeof recount);
    g_assert_cmpuint(map_count_of_kind(map, "fake") + map_count_of_kind(map, "other"), ==,
                     recount.total);
}
