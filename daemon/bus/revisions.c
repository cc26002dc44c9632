/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept on disk, and the present configuration, which may be there alone: of a definition it
 * is kept only when another takes its place. */

#include "bus/revisions.h"

#include "base/errors.h"
#include "bus/call.h"
#include "bus/errors.h"
#include "core/keeper.h"

static const char *const revision_sources[] = {
        [CONFIG_FROM_BUS] = "bus",
        [CONFIG_FROM_DEFINITION] = "definition",
};

static void revisions_write(Writer *writer, const DurableRevision *revision)
{
    writer_open(writer, 'a', "{sv}");
    writer_entry_uint64(writer, "revision", revision->revision);
    writer_entry_uint64(writer, "time", revision->time);
    writer_entry_string(writer, "digest", revision->digest);
    writer_entry_string(writer, "source", revision_sources[revision->source]);
    writer_close(writer);
}

/* The present one, as if it were kept; its text is the record's. */
static DurableRevision revisions_present(const Service *service)
{
    const StateRecord *record = service_state(service);

    DurableRevision revision = {
            .revision = record->config_revision,
            .time = record->last_config_time,
            .source = service_config_source(service),
            .text = record->config->text,
            .length = record->config->length,
    };
    config_text_digest(record->config, revision.digest);
    return revision;
}

static bool revisions_write_kept(Writer *writer, const Service *service, const GPtrArray *kept,
                                 uint64_t present)
{
    bool has_present = false;

    for (unsigned i = 0; i < kept->len; i++) {
        const DurableRevision *revision = g_ptr_array_index(kept, i);

        has_present = has_present || revision->revision == present;
        revisions_write(writer, revision);
    }
    return has_present;
}

bool method_revisions_list(Call *call, GError **error)
{
    Service *service = call_service(call, error);
    Durable *durable = keeper_durable(call->bus->keeper);
    g_autoptr(GPtrArray) kept = NULL;

    if (service == NULL)
        return false;
    kept = durable != NULL ? durable->list_revisions(durable, service_id(service), error)
                           : g_ptr_array_new();
    if (kept == NULL)
        return false;
    const StateRecord *record = service_state(service);
    Writer writer = call_reply_begin(call);

    writer_open(&writer, 'a', "a{sv}");
    if (!revisions_write_kept(&writer, service, kept, record->config_revision) &&
        record->config != NULL) {
        DurableRevision present = revisions_present(service);

        revisions_write(&writer, &present);
    }
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}

typedef struct RevisionArguments {
    uint64_t revision;
} RevisionArguments;

bool method_revisions_read_get(Call *call, GError **error)
{
    RevisionArguments *arguments = call->arguments = g_new0(RevisionArguments, 1);
    int r = sd_bus_message_read_basic(call->message, 't', &arguments->revision);

    return r >= 0 || bus_errors_set_unreadable(error, r, "revision");
}

static bool revisions_answer(Call *call, const DurableRevision *revision)
{
    Writer writer = call_reply_begin(call);

    writer_string(&writer, revision->text);
    writer_uint64(&writer, revision->time);
    call_reply(call, &writer);
    return true;
}

bool method_revisions_get(Call *call, GError **error)
{
    const RevisionArguments *arguments = call->arguments;
    Service *service = call_service(call, error);
    Durable *durable = keeper_durable(call->bus->keeper);

    if (service == NULL)
        return false;
    g_autoptr(GError) refused = NULL;
    g_autoptr(DurableRevision) kept = durable != NULL
                                              ? durable->get_revision(durable, service_id(service),
                                                                      arguments->revision, &refused)
                                              : NULL;
    if (kept != NULL)
        return revisions_answer(call, kept);
    const StateRecord *record = service_state(service);
    if (record->config != NULL && record->config_revision == arguments->revision) {
        DurableRevision present = revisions_present(service);

        return revisions_answer(call, &present);
    }
    if (refused != NULL) {
        g_propagate_error(error, g_steal_pointer(&refused));
        return false;
    }
    return error_set(error, ERROR_NOT_FOUND, "service '%s' has no revision %" G_GUINT64_FORMAT,
                     service_id(service), arguments->revision);
}
