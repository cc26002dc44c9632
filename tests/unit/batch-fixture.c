/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "batch-fixture.h"

Run one, two;

static void run_init(Run *run)
{
    run->batch = NULL;
    run->outcome = g_string_new(NULL);
}

static void run_done(Run *run)
{
    g_assert_null(run->batch);
    g_string_free(run->outcome, TRUE);
}

void on_batch_done(const BatchItem *items, size_t n_items, const GError *error, void *data)
{
    Run *run = data;
    run->batch = NULL;
    g_assert_cmpuint(run->outcome->len, ==, 0);
    for (size_t i = 0; i < n_items; i++) {
        const BatchItem *item = &items[i];
        g_string_append_printf(run->outcome, "%s%s:%s%s", i > 0 ? " " : "", item->id,
                               item->state != NULL ? state_to_string(item->state->state) : "gone",
                               item->is_ours ? "+" : "");
        if (item->error != NULL)
            g_string_append_printf(run->outcome, "=%s", item->error->message);
    }
    if (error != NULL)
        g_string_append_printf(run->outcome, " | %s", error->message);
}

void assert_outcome(Run *run, const char *expected)
{
    core_fixture_settle(&fixture);
    g_assert_cmpstr(run->outcome->str, ==, expected);
}

bool try_start(Run *run, const char *ids, unsigned manner, GError **error)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    BatchSpec spec = {.ids = list,
                      .ordered = (manner & ORDERED) != 0,
                      .patient = (manner & PATIENT) != 0,
                      .origin = origin_test};
    if ((manner & AT_STARTUP) != 0)
        spec.origin = (Origin){.cause = CAUSE_STARTUP};
    run->batch = batch_start(map, &spec, on_batch_done, run, error);
    g_assert_cmpuint(run->outcome->len, ==, 0); /* never from inside */
    return run->batch != NULL;
}

void begin_start(Run *run, const char *ids, unsigned manner)
{
    g_autoptr(GError) error = NULL;
    try_start(run, ids, manner, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

void assert_refused(const char *ids, unsigned manner, ErrorCode code, const char *message)
{
    g_autoptr(GError) error = NULL;
    uint64_t serial = last_serial;
    g_assert_false(try_start(&one, ids, manner, &error));
    g_assert_error(error, SVCMGR_ERROR, (int)code);
    g_assert_cmpstr(error->message, ==, message);
    core_fixture_settle(&fixture);
    g_assert_cmpuint(last_serial, ==, serial);
}

void begin_stop(Run *run, const char *ids, bool ordered)
{
    g_auto(GStrv) list = g_strsplit(ids, " ", -1);
    g_autoptr(GError) error = NULL;
    BatchSpec spec = {.ids = list, .ordered = ordered, .origin = origin_test};
    run->batch = batch_stop(map, &spec, on_batch_done, run, &error);
    g_assert_no_error(error);
    core_fixture_settle(&fixture);
}

static void run_row(const void *data)
{
    const BatchRow *row = data;
    setup();
    run_init(&one);
    run_init(&two);
    row->test();
    core_fixture_settle(&fixture);
    run_done(&one);
    run_done(&two);
    system_teardown();
}

void add_batch_rows(const BatchRow *rows, size_t n)
{
    for (size_t i = 0; i < n; i++)
        g_test_add_data_func(rows[i].path, &rows[i], run_row);
}
