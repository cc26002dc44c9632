/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading the definitions anew, as an interface: the composition root has what reads them, the bus
 * and the signals ask for it. */

#include "core/state.h"

#include <glib.h>
#include <stdbool.h>

/* Ids in their order. */
typedef struct ReloadReport {
    GPtrArray *created; /* of char * */
    GPtrArray *changed;
    GPtrArray *removed;
    GPtrArray *unchanged;
    GHashTable *failed; /* id -> reason */
} ReloadReport;

/* report, or error: nothing has changed then. */
typedef void (*ReloadDone)(const ReloadReport *report, const GError *error, void *data);

typedef struct Reloader Reloader;
struct Reloader {
    /* done is called exactly once, possibly at once. */
    void (*reload)(Reloader *reloader, bool dry_run, const Origin *origin, ReloadDone done,
                   void *data);
    /* Whoever gave data waits no longer. The reload goes on. */
    void (*forget)(Reloader *reloader, void *data);
};
