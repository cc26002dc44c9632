/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Processes that have survived the sweep, each known by its number and the time when it began. They
 * are looked at when somebody asks; nobody waits for them. */

#include "process/former-internal.h"

#include "base/errors.h"
#include "process/former.h"
#include "process/host-internal.h"
#include "process/proc.h"

#include <errno.h>

typedef struct FormerLeft {
    pid_t pid;
    uint64_t start_time;
} FormerLeft;

static void former_left_free(void *left)
{
    g_array_unref(left);
}

GHashTable *former_left_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, former_left_free);
}

void former_left_add(ProcessHost *host, const char *id, pid_t pid)
{
    GArray *left = g_hash_table_lookup(host->left, id);
    ProcStat stat;

    if (!proc_read_stat(host->sys, pid, &stat))
        return; /* gone */
    if (left == NULL) {
        left = g_array_new(FALSE, FALSE, sizeof(FormerLeft));
        g_hash_table_insert(host->left, g_strdup(id), left);
    }
    FormerLeft one = {.pid = pid, .start_time = stat.start_time};
    g_array_append_val(left, one);
}

static bool former_left_is_there(const ProcessHost *host, const FormerLeft *one)
{
    ProcStat stat;

    if (!proc_read_stat(host->sys, one->pid, &stat))
        return errno != ENOENT && errno != ESRCH; /* who cannot be looked at may well be there */
    return !stat.is_dead && stat.start_time == one->start_time;
}

bool former_check_left(ProcessHost *host, const char *id, GError **error)
{
    GArray *left = g_hash_table_lookup(host->left, id);

    while (left != NULL && left->len > 0) {
        const FormerLeft *one = &g_array_index(left, FormerLeft, 0);
        char comm[PROC_COMM_BYTES] = "";

        if (former_left_is_there(host, one)) {
            (void)proc_read_comm(host->sys, one->pid, comm); /* "": it ends just now */
            return error_set(
                    error, ERROR_FAILED,
                    "process %d (%s) of the former run is still there, and cannot be ended",
                    (int)one->pid, comm);
        }
        g_array_remove_index_fast(left, 0);
    }
    return true;
}
