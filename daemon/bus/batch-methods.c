/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A batch is known by its call alone: whatever ends the call (its end, the peer that goes, the
 * daemon that leaves) ends the batch, and what it has done by then stays. Answers are bounded: of
 * very many long errors only the first are told, of the rest their names. */

#include "bus/batch-methods.h"

#include "base/errors.h"
#include "base/parse.h"
#include "bus/call.h"
#include "bus/connection.h"
#include "bus/listing.h"
#include "bus/options.h"
#include "core/batch.h"
#include "core/plan.h"

#include <stddef.h>
#include <string.h>

/* What a step of a plan takes with empty texts. */
#define BATCH_STEP_BYTES 320
/* The causes of a start that has failed. */
#define BATCH_MAX_MESSAGE_BYTES (64 * 1024)

typedef struct BatchArguments {
    GStrv ids;
    bool ordered;
    bool dry_run;
} BatchArguments;

typedef struct BatchCall {
    Call *call;
    Batch *batch;
    GList link; /* in bus->batches */
} BatchCall;

static const Option batch_options[] = {
        {"ordered", "b", offsetof(BatchArguments, ordered)},
        {"dry_run", "b", offsetof(BatchArguments, dry_run)},
        {NULL, NULL, 0},
};

/* Arguments */

static bool batch_check_ids(char *const *ids, GError **error)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);

    for (; *ids != NULL; ids++) {
        if (!parse_id(*ids, error))
            return false;
        if (!g_hash_table_add(seen, *ids))
            return error_set(error, ERROR_INVALID_ARGS, "service '%s' is named twice", *ids);
    }
    return true;
}

bool method_batch_read(Call *call, GError **error)
{
    BatchArguments *arguments = call->arguments = g_new0(BatchArguments, 1);

    return options_read_list(call->message, "ids", &arguments->ids, error) &&
           options_read(call->message, batch_options, arguments, error) &&
           batch_check_ids(arguments->ids, error);
}

void batch_arguments_free(void *data)
{
    BatchArguments *arguments = data;

    g_strfreev(arguments->ids);
    g_free(arguments);
}

/* Only telling */

typedef struct BatchTelling {
    const BatchArguments *arguments;
    bool stops;
    GHashTable *told;  /* id -> PlanStep: those that come before */
    GHashTable *after; /* with ordered: id -> the one of the list that it waits for */
} BatchTelling;

static void batch_note_order(BatchTelling *telling)
{
    char *const *ids = telling->arguments->ids;

    for (size_t i = 1; telling->arguments->ordered && ids[0] != NULL && ids[i] != NULL; i++)
        g_hash_table_insert(telling->after, ids[telling->stops ? i - 1 : i],
                            ids[telling->stops ? i : i - 1]);
}

/* NULL: none, or it is known already. */
static const char *batch_find_ordered(const BatchTelling *telling, const PlanStep *step)
{
    const char *id = g_hash_table_lookup(telling->after, step->id);
    const PlanStep *other = id != NULL ? g_hash_table_lookup(telling->told, id) : NULL;

    if (other == NULL || other->action != step->action || step->action == PLAN_NOTHING)
        return NULL;
    return step->after != NULL && g_strv_contains((const char *const *)step->after, id) ? NULL : id;
}

static void batch_write_step(Writer *writer, const BatchTelling *telling, const PlanStep *step)
{
    const char *ordered = batch_find_ordered(telling, step);

    writer_open(writer, 'a', "{sv}");
    writer_entry_string(writer, "id", step->id);
    writer_entry_string(writer, "action", plan_action_to_string(step->action));
    writer_entry_string(writer, "because", step->because);
    writer_entry_string(writer, "relation",
                        step->because != NULL ? relation_to_string(step->relation) : "");
    writer_entry_open(writer, "after", "as");
    writer_open(writer, 'a', "s");
    for (char **id = step->after; id != NULL && *id != NULL; id++)
        writer_string(writer, *id);
    if (ordered != NULL)
        writer_string(writer, ordered);
    writer_close(writer);
    writer_entry_close(writer);
    writer_entry_string(writer, "state",
                        step->service != NULL ? state_to_string(service_state(step->service)->state)
                                              : "");
    writer_close(writer);
}

static bool batch_check_room(const Call *call, const Plan *plan, GError **error)
{
    uint64_t bytes = 0;

    for (unsigned i = 0; i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);

        bytes += BATCH_STEP_BYTES + 2 * strlen(step->id) + bus_strings_bytes(step->after);
        bytes += step->because != NULL ? strlen(step->because) : 0;
    }
    if (bytes > BUS_MAX_MANAGED_OBJECTS_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "to tell what would be done is more than an answer may hold (%u MiB)",
                         (unsigned)(BUS_MAX_MANAGED_OBJECTS_BYTES >> 20));
    return connection_may_answer(call->connection, bytes, error);
}

static bool batch_answer_plan(Call *call, const Plan *plan, bool stops, GError **error)
{
    g_autoptr(GHashTable) told = g_hash_table_new(g_str_hash, g_str_equal);
    g_autoptr(GHashTable) after = g_hash_table_new(g_str_hash, g_str_equal);
    BatchTelling telling = {call->arguments, stops, told, after};
    Writer writer;

    if (!batch_check_room(call, plan, error))
        return false;
    batch_note_order(&telling);
    writer = call_reply_begin(call);
    writer_open(&writer, 'a', "a{sv}");
    for (unsigned i = 0; i < plan->steps->len; i++) {
        PlanStep *step = g_ptr_array_index(plan->steps, i);

        batch_write_step(&writer, &telling, step);
        g_hash_table_insert(told, step->id, step);
    }
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}

static bool batch_tell(Call *call, bool stops, GError **error)
{
    const BatchArguments *arguments = call->arguments;
    Map *map = call->bus->map;
    Graph *graph = map_core(map)->graph;
    g_autoptr(GPtrArray) services = g_ptr_array_new();
    g_autoptr(Plan) plan = NULL;

    for (char **id = arguments->ids; *id != NULL; id++) {
        Service *service = map_get(map, *id, error);

        if (service == NULL)
            return false;
        g_ptr_array_add(services, service);
    }
    Service *const *all = (Service *const *)services->pdata;
    plan = stops ? plan_foresee_stop(graph, all, services->len)
                 : plan_foresee_start(graph, all, services->len, error);
    if (plan == NULL)
        return false;
    return batch_answer_plan(call, plan, stops, error);
}

/* Doing */

static void batch_call_free(BatchCall *own)
{
    g_queue_unlink(&own->call->bus->batches, &own->link);
    g_free(own);
}

static void on_batch_abandoned(Call *call)
{
    BatchCall *own = call->waiter;

    batch_cancel(own->batch, false);
    batch_call_free(own);
}

void batch_methods_end_all(Bus *bus)
{
    BatchCall *own;

    while ((own = g_queue_peek_head(&bus->batches)) != NULL)
        call_end_shutdown(own->call);
}

/* state NULL: it is gone. */
static void batch_write_item(Writer *writer, const BatchItem *item)
{
    const StateRecord *state = item->state;
    const GError *error = item->error;

    writer_open(writer, 'a', "{sv}");
    writer_entry_string(writer, "id", item->id);
    writer_entry_string(writer, "state", state != NULL ? state_to_string(state->state) : "");
    writer_entry_uint64(writer, "serial", state != NULL ? state->serial : 0);
    writer_entry_string(writer, "error_name", error != NULL ? error_to_dbus_name(error) : "");
    writer_entry_string(writer, "error",
                        error != NULL && writer->bytes < LISTING_MAX_BYTES ? error->message : "");
    writer_close(writer);
}

static void batch_answer(Call *call, const BatchItem *items, size_t n_items)
{
    Writer writer = call_reply_begin(call);

    writer_open(&writer, 'a', "a{sv}");
    for (size_t i = 0; i < n_items; i++)
        batch_write_item(&writer, &items[i]);
    writer_close(&writer);
    call_reply(call, &writer);
}

/* Of very many causes only the first lines are told. */
static GError *batch_bound_error(const GError *error)
{
    GError *told = g_error_copy(error);

    if (strlen(told->message) > BATCH_MAX_MESSAGE_BYTES) {
        g_autofree char *all = told->message;
        const char *end = g_strrstr_len(all, BATCH_MAX_MESSAGE_BYTES, "\n");
        size_t length = end != NULL ? (size_t)(end - all) : BATCH_MAX_MESSAGE_BYTES;

        told->message = g_strdup_printf("%.*s\nand more that is not told here", (int)length, all);
    }
    return told;
}

static void on_batch_started(const BatchItem *items, size_t n_items, const GError *error,
                             void *data)
{
    BatchCall *own = data;
    Call *call = own->call;

    batch_call_free(own);
    if (error == NULL) {
        batch_answer(call, items, n_items);
        return;
    }
    g_autoptr(GError) told = batch_bound_error(error);
    call_reply_error(call, told);
}

/* What went wrong stands beside each. */
static void on_batch_stopped(const BatchItem *items, size_t n_items, const GError *error,
                             void *data)
{
    BatchCall *own = data;
    Call *call = own->call;

    batch_call_free(own);
    batch_answer(call, items, n_items);
}

static bool batch_do(Call *call, bool stops, GError **error)
{
    BatchArguments *arguments = call->arguments;
    BatchSpec spec = {
            .ids = arguments->ids, .ordered = arguments->ordered, .origin = call_origin(call)};
    g_autoptr(GError) refused = NULL;
    BatchCall *own;

    if (!call_keep(call, on_batch_abandoned, error))
        return false;
    own = g_new0(BatchCall, 1);
    own->call = call;
    own->link.data = own;
    own->batch = stops ? batch_stop(call->bus->map, &spec, on_batch_stopped, own, &refused)
                       : batch_start(call->bus->map, &spec, on_batch_started, own, &refused);
    if (own->batch == NULL) {
        g_free(own);
        g_propagate_error(error, batch_bound_error(refused));
        return false;
    }
    g_queue_push_tail_link(&call->bus->batches, &own->link);
    call->waiter = own;
    g_clear_pointer(&arguments->ids, g_strfreev); /* the batch has its own */
    call_slim(call);                              /* it may take long */
    return true;
}

bool method_batch_start(Call *call, GError **error)
{
    const BatchArguments *arguments = call->arguments;

    return arguments->dry_run ? batch_tell(call, false, error) : batch_do(call, false, error);
}

bool method_batch_stop(Call *call, GError **error)
{
    const BatchArguments *arguments = call->arguments;

    return arguments->dry_run ? batch_tell(call, true, error) : batch_do(call, true, error);
}
