/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Programs that say of themselves, as fast as they can write, that they reload, have reloaded, or
 * are stopping: what everybody is told of that is little, and right in the end. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>
#include <time.h>

#define RESTLESS_TIMES 200
/* How often one may be told of in a second; one more at the beginning of the first. */
#define RESTLESS_PER_SECOND 2

typedef struct RestlessRow {
    const char *name;
    const char *words;     /* that it says again and again, ... */
    const char *last;      /* ... and in the end */
    const char *told;      /* the state and sub-state that are limited */
    State state;           /* what it is in when all was heard */
    const char *sub_state; /* in the end */
    const char *signal;    /* what it says when it is signalled */
} RestlessRow;

static const RestlessRow restless_rows[] = {
        {"reloads", "'RELOADING=1', 'READY=1', ", "'READY=1'", "reloading/", STATE_ACTIVE,
         "running", NULL},
        {"ends-in-a-reload", "'RELOADING=1', 'READY=1', ", "'RELOADING=1'", "reloading/",
         STATE_RELOADING, "running", "READY=1"},
        {"reloads-in-one", "'RELOADING=1\\\\nREADY=1', ", "'READY=1'", "reloading/", STATE_ACTIVE,
         "running", NULL},
        {"stopping", "'STOPPING=1', 'RELOADING=1', 'READY=1', ", "'READY=1'", "active/stopping",
         STATE_ACTIVE, "stopping", NULL},
};

static uint64_t restless_now_usec(void)
{
    struct timespec now;

    g_assert_cmpint(clock_gettime(CLOCK_MONOTONIC, &now), ==, 0);
    return (uint64_t)now.tv_sec * USEC_PER_SEC + (uint64_t)now.tv_nsec / 1000;
}

static char *restless_config(const RestlessRow *row)
{
    GString *text = g_string_new("{'readiness': 'notify', 'exec': ['@PROGRAMS/program-notifier', ");

    if (row->signal != NULL)
        g_string_append_printf(text, "'@on', 'USR1', '%s', '@end', ", row->signal);
    g_string_append(text, "'READY=1', ");
    for (unsigned i = 0; i < RESTLESS_TIMES; i++)
        g_string_append(text, row->words);
    g_string_append_printf(text, "%s, 'STATUS=done']}", row->last);
    return g_string_free(text, FALSE);
}

static unsigned restless_count(const TrustFixture *fixture, const char *text)
{
    unsigned n = 0;

    for (const char *at = fixture->process.history->str; (at = strstr(at, text)) != NULL; at++)
        n++;
    return n;
}

static void test_restless(TrustFixture *fixture, const void *data)
{
    const RestlessRow *row = data;
    g_autofree char *config = restless_config(row);
    uint64_t began_usec = restless_now_usec();
    Service *service = trust_start(fixture, config);

    trust_wait_status(fixture, service, "done");
    fixture_wait_state(&fixture->process, service, row->state);

    uint64_t took_usec = restless_now_usec() - began_usec;
    unsigned n = restless_count(fixture, row->told);
    g_test_message("%u in %u ms", n, (unsigned)(took_usec / 1000));
    g_assert_cmpuint(n, >=, 1);
    g_assert_cmpuint(n, <=, 1 + RESTLESS_PER_SECOND * (1 + took_usec / USEC_PER_SEC));
    if (row->signal != NULL) {
        trust_signal(service, SIGUSR1);
        fixture_wait_state(&fixture->process, service, STATE_ACTIVE);
    }
    assert_sub_state(service, row->sub_state);
    fixture_drop(&fixture->process, service);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (size_t i = 0; i < G_N_ELEMENTS(restless_rows); i++) {
        g_autofree char *path = g_strdup_printf("/trust/restless/%s", restless_rows[i].name);

        trust_add(path, test_restless, &restless_rows[i]);
    }
    return g_test_run();
}
