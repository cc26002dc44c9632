/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A group holds copies of the services that it writes; a commit puts them in the place of what was
 * kept. */

#include "durable-memory.h"

#include "base/errors.h"

#include <string.h>

static const char *const memory_names[_MEMORY_MAX] = {
        [MEMORY_BEGIN] = "begin",         [MEMORY_COMMIT] = "commit",
        [MEMORY_PUT_SERVICE] = "service", [MEMORY_DROP_SERVICE] = "drop",
        [MEMORY_PUT_CONFIG] = "config",   [MEMORY_PUT_ENABLED] = "enabled",
        [MEMORY_PUT_STATE] = "state",     [MEMORY_RESERVE] = "reserve",
        [MEMORY_READ] = "read",
};

static DurableMemory *memory_of(Durable *durable)
{
    return (DurableMemory *)durable; /* it is the first member */
}

/* What is kept */

static void memory_drop_revision(void *revision)
{
    durable_revision_free(revision);
}

static DurableRevision *memory_copy_revision(const DurableRevision *revision, bool with_text)
{
    DurableRevision *copy = g_memdup2(revision, sizeof(*revision));

    copy->text = with_text ? g_strdup(revision->text) : NULL;
    return copy;
}

static void *on_memory_copy_revision(const void *revision, void *unused)
{
    return memory_copy_revision(revision, true);
}

static MemoryService *memory_service_new(void)
{
    MemoryService *service = g_new0(MemoryService, 1);

    service->revisions = g_ptr_array_new_with_free_func(memory_drop_revision);
    return service;
}

static MemoryService *memory_service_copy(const MemoryService *from)
{
    MemoryService *copy = g_memdup2(from, sizeof(*from));

    copy->kind = g_strdup(from->kind);
    copy->description = g_strdup(from->description);
    copy->labels = from->labels != NULL ? g_hash_table_ref(from->labels) : NULL;
    copy->state.error = g_strdup(from->state.error);
    copy->revisions = g_ptr_array_copy(from->revisions, on_memory_copy_revision, NULL);
    g_ptr_array_set_free_func(copy->revisions, memory_drop_revision);
    return copy;
}

static void memory_service_free(void *data)
{
    MemoryService *service = data;

    if (service == NULL)
        return;
    g_free(service->kind);
    g_free(service->description);
    g_clear_pointer(&service->labels, g_hash_table_unref);
    g_free((char *)service->state.error);
    g_ptr_array_unref(service->revisions);
    g_free(service);
}

static GHashTable *memory_table_new(void)
{
    return g_hash_table_new_full(g_str_hash, g_str_equal, g_free, memory_service_free);
}

/* Calls */

static bool memory_is_told_to_fail(DurableMemory *memory, MemoryCall call)
{
    if (memory->fail_at[call] > 0 && --memory->fail_at[call] == 0)
        return true;
    if (memory->fails != NULL && memory->fails(call, memory->fails_data))
        return true;
    return memory->is_broken && call != MEMORY_READ;
}

/* Writes it down; detail: or NULL. False: it fails. */
static bool memory_call(DurableMemory *memory, MemoryCall call, const char *detail, GError **error)
{
    bool fails = memory_is_told_to_fail(memory, call);

    memory->n_calls[call]++;
    g_string_append(memory->log, memory_names[call]);
    if (detail != NULL)
        g_string_append_printf(memory->log, ":%s", detail);
    g_string_append(memory->log, fails ? "!" : "");
    g_string_append_c(memory->log, call == MEMORY_COMMIT || call == MEMORY_RESERVE ? '\n' : ' ');
    return !fails ||
           error_set(error, ERROR_FAILED, "/memory: %s: the disk is full", memory_names[call]);
}

static void memory_close_group(DurableMemory *memory)
{
    memory->is_open = false;
    g_hash_table_remove_all(memory->group);
}

static bool memory_fail_group(DurableMemory *memory)
{
    memory_close_group(memory);
    memory->has_failed = true;
    return false;
}

static bool memory_begin(Durable *durable, GError **error)
{
    DurableMemory *memory = memory_of(durable);

    g_assert_false(memory->is_open);
    memory->has_failed = false;
    memory->is_open = memory_call(memory, MEMORY_BEGIN, NULL, error);
    return memory->is_open;
}

static bool memory_commit(Durable *durable, DurableLevel level, GError **error)
{
    static const char *const levels[] = {[DURABLE_CRASH] = "crash", [DURABLE_POWER] = "power"};
    DurableMemory *memory = memory_of(durable);
    GHashTableIter iter;
    void *id, *service;

    g_assert_true(memory->is_open);
    if (!memory_call(memory, MEMORY_COMMIT, levels[level], error))
        return memory_fail_group(memory);
    g_hash_table_iter_init(&iter, memory->group);
    while (g_hash_table_iter_next(&iter, &id, &service)) {
        if (service == NULL) {
            g_hash_table_remove(memory->services, id);
            continue;
        }
        ((MemoryService *)service)->level = level;
        g_hash_table_insert(memory->services, g_strdup(id), memory_service_copy(service));
    }
    memory_close_group(memory);
    return true;
}

static void memory_rollback(Durable *durable)
{
    DurableMemory *memory = memory_of(durable);

    g_assert_true(memory->is_open || memory->has_failed);
    memory_close_group(memory);
    memory->has_failed = false;
}

/* False: it fails, and the group with it. */
static bool memory_write(Durable *durable, MemoryCall call, const char *detail, GError **error)
{
    DurableMemory *memory = memory_of(durable);

    g_assert_true(memory->is_open);
    return memory_call(memory, call, detail, error) || memory_fail_group(memory);
}

/* The group's own copy. */
static MemoryService *memory_get(Durable *durable, const char *id)
{
    DurableMemory *memory = memory_of(durable);
    MemoryService *own = g_hash_table_lookup(memory->group, id);

    if (own != NULL)
        return own;
    const MemoryService *kept = g_hash_table_contains(memory->group, id)
                                        ? NULL /* dropped in this group */
                                        : g_hash_table_lookup(memory->services, id);
    own = kept != NULL ? memory_service_copy(kept) : memory_service_new();
    g_hash_table_insert(memory->group, g_strdup(id), own);
    return own;
}

static bool memory_put_service(Durable *durable, const char *id, const char *kind,
                               const char *description, GHashTable *labels, GError **error)
{
    MemoryService *service;

    if (!memory_write(durable, MEMORY_PUT_SERVICE, id, error))
        return false;
    service = memory_service_new();
    service->created = true;
    service->kind = g_strdup(kind);
    service->description = g_strdup(description);
    service->labels = labels != NULL ? g_hash_table_ref(labels) : NULL;
    g_hash_table_insert(memory_of(durable)->group, g_strdup(id), service);
    return true;
}

static bool memory_drop_service(Durable *durable, const char *id, GError **error)
{
    if (!memory_write(durable, MEMORY_DROP_SERVICE, id, error))
        return false;
    g_hash_table_insert(memory_of(durable)->group, g_strdup(id), NULL);
    return true;
}

/* The place of the revision that has to go, or -1. */
static int memory_find_oldest(const GPtrArray *revisions)
{
    int newest_defined = -1;

    if (revisions->len <= DURABLE_REVISIONS)
        return -1;
    for (unsigned i = 0; i < revisions->len; i++) {
        const DurableRevision *revision = g_ptr_array_index(revisions, i);

        if (revision->source == CONFIG_FROM_DEFINITION)
            newest_defined = (int)i;
    }
    return newest_defined == 0 ? 1 : 0;
}

static void memory_add_revision(GPtrArray *revisions, const DurableConfig *config)
{
    DurableRevision *revision = g_new0(DurableRevision, 1);
    unsigned at = 0;
    int oldest;

    revision->revision = config->revision;
    revision->time = config->time;
    revision->source = config->source;
    revision->text = g_strndup(config->text, config->length);
    revision->length = config->length;
    g_autoptr(ConfigText) text = config_text_new(config->text, config->length);
    config_text_digest(text, revision->digest);
    while (at < revisions->len &&
           ((DurableRevision *)g_ptr_array_index(revisions, at))->revision < config->revision)
        at++;
    if (at < revisions->len &&
        ((DurableRevision *)g_ptr_array_index(revisions, at))->revision == config->revision)
        g_ptr_array_remove_index(revisions, at);
    g_ptr_array_insert(revisions, (int)at, revision);
    while ((oldest = memory_find_oldest(revisions)) >= 0)
        g_ptr_array_remove_index(revisions, (unsigned)oldest);
}

static bool memory_put_config(Durable *durable, const char *id, const DurableConfig *config,
                              GError **error)
{
    g_autofree char *detail = g_strdup_printf("%s:%" G_GUINT64_FORMAT, id, config->revision);

    g_assert_cmpuint(config->revision, >=, 1);
    if (!memory_write(durable, MEMORY_PUT_CONFIG, detail, error))
        return false;
    memory_add_revision(memory_get(durable, id)->revisions, config);
    return true;
}

static bool memory_put_enabled(Durable *durable, const char *id, bool enabled, GError **error)
{
    g_autofree char *detail = g_strdup_printf("%s:%d", id, enabled);

    if (!memory_write(durable, MEMORY_PUT_ENABLED, detail, error))
        return false;
    memory_get(durable, id)->enabled = enabled;
    return true;
}

static bool memory_put_state(Durable *durable, const char *id, const DurableState *state,
                             GError **error)
{
    g_autofree char *detail = g_strdup_printf(
            "%s:%s,%u%s%s", id, state->wanted ? "wanted" : "unwanted", state->failed_attempts,
            state->error != NULL ? "," : "", state->error != NULL ? state->error : "");

    if (!memory_write(durable, MEMORY_PUT_STATE, detail, error))
        return false;
    MemoryService *service = memory_get(durable, id);

    g_free((char *)service->state.error);
    service->has_state = true;
    service->state = *state;
    service->state.error = g_strdup(state->error);
    return true;
}

static bool memory_reserve_serials(Durable *durable, uint64_t next, uint64_t n, uint64_t *ret_limit,
                                   GError **error)
{
    DurableMemory *memory = memory_of(durable);
    g_autofree char *detail = g_strdup_printf("%" G_GUINT64_FORMAT "+%" G_GUINT64_FORMAT, next, n);

    g_assert_false(memory->is_open);
    if (!memory_call(memory, MEMORY_RESERVE, detail, error))
        return false;
    memory->limit = next + n - 1;
    *ret_limit = memory->limit;
    return true;
}

/* Reading */

static GPtrArray *memory_list_revisions(Durable *durable, const char *id, GError **error)
{
    const MemoryService *service = durable_memory_find(memory_of(durable), id);
    GPtrArray *list;

    if (!memory_call(memory_of(durable), MEMORY_READ, id, error))
        return NULL;
    list = g_ptr_array_new_with_free_func(memory_drop_revision);
    for (unsigned i = 0; service != NULL && i < service->revisions->len; i++)
        g_ptr_array_add(list,
                        memory_copy_revision(g_ptr_array_index(service->revisions, i), false));
    return list;
}

static DurableRevision *memory_get_revision(Durable *durable, const char *id, uint64_t revision,
                                            GError **error)
{
    const MemoryService *service = durable_memory_find(memory_of(durable), id);

    if (!memory_call(memory_of(durable), MEMORY_READ, id, error))
        return NULL;
    for (unsigned i = 0; service != NULL && i < service->revisions->len; i++) {
        const DurableRevision *each = g_ptr_array_index(service->revisions, i);

        if (each->revision == revision)
            return memory_copy_revision(each, true);
    }
    error_set(error, ERROR_NOT_FOUND, "service '%s' has no revision %" G_GUINT64_FORMAT, id,
              revision);
    return NULL;
}

/* The object */

DurableMemory *durable_memory_new(void)
{
    DurableMemory *memory = g_new0(DurableMemory, 1);

    memory->durable = (Durable){
            .begin = memory_begin,
            .commit = memory_commit,
            .rollback = memory_rollback,
            .put_service = memory_put_service,
            .drop_service = memory_drop_service,
            .put_config = memory_put_config,
            .put_enabled = memory_put_enabled,
            .put_state = memory_put_state,
            .reserve_serials = memory_reserve_serials,
            .list_revisions = memory_list_revisions,
            .get_revision = memory_get_revision,
    };
    memory->services = memory_table_new();
    memory->group = memory_table_new();
    memory->log = g_string_new(NULL);
    return memory;
}

void durable_memory_free(DurableMemory *memory)
{
    if (memory == NULL)
        return;
    g_assert_false(memory->is_open);
    g_hash_table_unref(memory->services);
    g_hash_table_unref(memory->group);
    g_string_free(memory->log, TRUE);
    g_free(memory);
}

void durable_memory_fail(DurableMemory *memory, MemoryCall call, unsigned n)
{
    memory->fail_at[call] = n;
}

const MemoryService *durable_memory_find(DurableMemory *memory, const char *id)
{
    return g_hash_table_lookup(memory->services, id);
}

const DurableRevision *durable_memory_config(const MemoryService *kept)
{
    return kept->revisions->len > 0 ? g_ptr_array_index(kept->revisions, kept->revisions->len - 1)
                                    : NULL;
}

void durable_memory_assert_log(DurableMemory *memory, const char *expected)
{
    g_assert_cmpstr(memory->log->str, ==, expected);
    g_string_truncate(memory->log, 0);
}
