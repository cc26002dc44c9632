/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reading itself is the composition root's (run/reload.h) and may take more than one turn. */

#include "bus/reload-method.h"

#include "base/errors.h"
#include "bus/call.h"
#include "bus/options.h"

#include <stddef.h>
#include <string.h>

typedef struct ReloadArguments {
    bool dry_run;
} ReloadArguments;

static const Option reload_options[] = {
        {"dry_run", "b", offsetof(ReloadArguments, dry_run)},
        {NULL, NULL, 0},
};

bool method_reload_read(Call *call, GError **error)
{
    ReloadArguments *arguments = call->arguments = g_new0(ReloadArguments, 1);

    return options_read(call->message, reload_options, arguments, error);
}

static void reload_write_ids(Writer *writer, const char *key, const GPtrArray *ids)
{
    writer_entry_open(writer, key, "as");
    writer_open(writer, 'a', "s");
    for (unsigned i = 0; i < ids->len; i++)
        writer_string(writer, g_ptr_array_index(ids, i));
    writer_close(writer);
    writer_entry_close(writer);
}

static int reload_compare_ids(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void reload_write_failed(Writer *writer, GHashTable *failed)
{
    unsigned n = 0;
    g_autofree const char **ids = (const char **)g_hash_table_get_keys_as_array(failed, &n);

    if (n > 0)
        qsort(ids, n, sizeof(*ids), reload_compare_ids);
    writer_entry_open(writer, "failed", "a{ss}");
    writer_open(writer, 'a', "{ss}");
    for (unsigned i = 0; i < n; i++) {
        writer_open(writer, 'e', "ss");
        writer_string(writer, ids[i]);
        writer_string(writer, g_hash_table_lookup(failed, ids[i]));
        writer_close(writer);
    }
    writer_close(writer);
    writer_entry_close(writer);
}

static void on_reload_done(const ReloadReport *report, const GError *error, void *data)
{
    Call *call = data;

    call_unkeep(call);
    call->on_abandoned = NULL;
    if (error != NULL) {
        call_reply_error(call, error);
        return;
    }
    Writer writer = call_reply_begin(call);

    writer_open(&writer, 'a', "{sv}");
    reload_write_ids(&writer, "created", report->created);
    reload_write_ids(&writer, "changed", report->changed);
    reload_write_ids(&writer, "removed", report->removed);
    reload_write_ids(&writer, "unchanged", report->unchanged);
    reload_write_failed(&writer, report->failed);
    writer_close(&writer);
    call_reply(call, &writer);
}

static void on_reload_abandoned(Call *call)
{
    call->bus->reloader->forget(call->bus->reloader, call);
}

bool method_reload_act(Call *call, GError **error)
{
    const ReloadArguments *arguments = call->arguments;
    Reloader *reloader = call->bus->reloader;
    Origin origin = call_origin(call);

    if (reloader == NULL)
        return error_set(error, ERROR_NOT_SUPPORTED, "this svcmgrd reads no definitions");
    if (!call_keep(call, on_reload_abandoned, error))
        return false;
    reloader->reload(reloader, arguments->dry_run, &origin, on_reload_done, call);
    return true;
}
