/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "group-kind-fixture.h"

#include "base/errors.h"
#include "kinds/kinds.h"

#include <string.h>

void make_members(const char *ids)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    for (char **id = list; *id != NULL; id++)
        make(*id, "{}");
}

Service *make_group(const char *id, const char *config)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    Service *service = create_full(id, "group", text, false, &error);
    g_assert_no_error(error);
    return service;
}

void begin(const char *id)
{
    g_autoptr(GError) error = NULL;
    service_start(find(id), &origin_test, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void group_up(const char *config)
{
    make_members("a b");
    make_group("g", config);
    begin("g");
    ok("a");
    ok("b");
    assert_states("g a b", "g:active(running) a:active b:active");
}

void assert_error(const char *id, FailureClass failure_class, const char *message)
{
    const StateRecord *record = service_state(find(id));
    g_assert_cmpint(record->failure_class, ==, failure_class);
    g_assert_nonnull(record->error);
    g_assert_cmpstr(record->error->message, ==, message);
}

void assert_refused(const char *config, const char *message)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = g_strdelimit(g_strdup(config), "'", '"');
    g_assert_null(create_full("g", "group", text, false, &error));
    g_assert_nonnull(error);
    g_assert_cmpstr(error->message, ==, message);
}

static void run_row(const void *data)
{
    const GroupRow *row = data;
    setup();
    Kind *kind = kind_group_new(map);
    map_register_kind(map, kind);
    row->test();
    system_teardown();
    g_free(kind);
}

void add_group_rows(const GroupRow *rows, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        g_autofree char *path = g_strconcat("/group-kind/", rows[i].path, NULL);
        g_test_add_data_func(path, &rows[i], run_row);
    }
}
