/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Nothing but memory: who reads is in database-read.c, who decides what it means in the daemon. */

#include "store/saved.h"

SavedService *saved_service_new(const char *id)
{
    SavedService *saved = g_new0(SavedService, 1);

    saved->id = g_strdup(id);
    saved->enabled = -1;
    return saved;
}

void saved_service_free(SavedService *saved)
{
    if (saved == NULL)
        return;
    g_free(saved->id);
    g_free(saved->kind);
    g_free(saved->description);
    g_clear_pointer(&saved->labels, g_hash_table_unref);
    g_free(saved->error);
    durable_revision_free(saved->latest);
    durable_revision_free(saved->defined);
    g_free(saved);
}
