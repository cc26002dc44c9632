/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Batches of fake services, two at a time. */

#include "base/errors.h"
#include "core/batch.h"
#include "system-fixture.h"

/* What has come back: "a:active b:failed=why | the error"; empty before. */
typedef struct Run {
    Batch *batch; /* NULL: it is over, or was refused */
    GString *outcome;
} Run;

extern Run one, two;

typedef enum Manner {
    PLAIN = 0,
    ORDERED = 1,
    PATIENT = 2,
    AT_STARTUP = 4,
} Manner;

/* Of run, once everybody has settled: "" as long as it is not over. */
void assert_outcome(Run *run, const char *expected);
/* ids: with blanks between; manner: of Manner. */
bool try_start(Run *run, const char *ids, unsigned manner, GError **error);
/* Which must not be refused; settled. */
void begin_start(Run *run, const char *ids, unsigned manner);
/* With nothing changed. */
void assert_refused(const char *ids, unsigned manner, ErrorCode code, const char *message);
void begin_stop(Run *run, const char *ids, bool ordered);

/* For a Run. */
void on_batch_done(const BatchItem *items, size_t n_items, const GError *error, void *data);

typedef struct BatchRow {
    const char *path;
    void (*test)(void);
} BatchRow;
/* rows: static. Each begins with an empty map. */
void add_batch_rows(const BatchRow *rows, size_t n);
