/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Both halves follow one rule: an error never hides another. Errors are collected with the name of
 * what failed and joined at the end. */

#include "base/multi-start.h"

#include "base/errors.h"

struct CloseAll {
    CloseAllFunc done;
    void *data;
    size_t n_pending;
    bool sealed;
    GPtrArray *errors; /* of GError * */
};

static GPtrArray *multi_start_errors_new(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)g_error_free);
}

/* Takes the error. */
static void multi_start_collect(GPtrArray *errors, const char *name, GError *error)
{
    g_assert(error != NULL);
    g_prefix_error(&error, "%s: ", name);
    g_ptr_array_add(errors, error);
}

static void multi_start_stop_reverse(const StartItem *items, size_t n_items, GPtrArray *errors)
{
    for (size_t i = n_items; i > 0; i--) {
        const StartItem *item = &items[i - 1];
        GError *error = NULL;

        if (item->stop != NULL && !item->stop(item->data, &error))
            multi_start_collect(errors, item->name, error);
    }
}

static bool multi_start_finish(GPtrArray *errors, GError **error)
{
    GError *joined = errors_join(errors);

    if (joined == NULL)
        return true;
    g_propagate_error(error, joined);
    return false;
}

bool multi_start(const StartItem *items, size_t n_items, GError **error)
{
    g_autoptr(GPtrArray) errors = multi_start_errors_new();

    for (size_t i = 0; i < n_items; i++) {
        GError *cause = NULL;

        if (items[i].start(items[i].data, &cause))
            continue;
        multi_start_collect(errors, items[i].name, cause);
        multi_start_stop_reverse(items, i, errors);
        break;
    }
    return multi_start_finish(errors, error);
}

bool multi_stop(const StartItem *items, size_t n_items, GError **error)
{
    g_autoptr(GPtrArray) errors = multi_start_errors_new();

    multi_start_stop_reverse(items, n_items, errors);
    return multi_start_finish(errors, error);
}

CloseAll *close_all_new(CloseAllFunc done, void *data)
{
    CloseAll *all = g_new0(CloseAll, 1);

    all->done = done;
    all->data = data;
    all->errors = multi_start_errors_new();
    return all;
}

static void close_all_finish_if_due(CloseAll *all)
{
    if (!all->sealed || all->n_pending > 0)
        return;

    g_autoptr(GError) joined = errors_join(all->errors);
    all->done(joined, all->data);
    g_ptr_array_unref(all->errors);
    g_free(all);
}

void close_all_add(CloseAll *all)
{
    g_assert(!all->sealed);
    all->n_pending++;
}

void close_all_done(CloseAll *all, const char *name, const GError *error)
{
    g_assert(all->n_pending > 0);
    if (error != NULL)
        multi_start_collect(all->errors, name, g_error_copy(error));
    all->n_pending--;
    close_all_finish_if_due(all);
}

void close_all_seal(CloseAll *all)
{
    g_assert(!all->sealed);
    all->sealed = true;
    close_all_finish_if_due(all);
}
