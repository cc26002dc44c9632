/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Most properties are plain fields of the record: the table says where. */

#include "bus/service-properties.h"

#include "base/errors.h"

#include <stddef.h>
#include <string.h>

static void property_write_id(Writer *writer, const Service *service, const StateRecord *record)
{
    writer_string(writer, service_id(service));
}

static void property_write_kind(Writer *writer, const Service *service, const StateRecord *record)
{
    writer_string(writer, service_kind(service)->name);
}

static void property_write_description(Writer *writer, const Service *service,
                                       const StateRecord *record)
{
    writer_string(writer, state_record_about(record)->description);
}

static bool property_equal_description(const StateRecord *a, const StateRecord *b)
{
    return a->about == b->about ||
           g_strcmp0(state_record_about(a)->description, state_record_about(b)->description) == 0;
}

static int property_compare_labels(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of keys, so that the same labels are always the same bytes. */
static void property_write_labels(Writer *writer, const Service *service, const StateRecord *record)
{
    GHashTable *labels = state_record_about(record)->labels;
    unsigned n = 0;
    g_autofree const char **keys =
            labels != NULL ? (const char **)g_hash_table_get_keys_as_array(labels, &n) : NULL;

    if (n > 0)
        qsort(keys, n, sizeof(*keys), property_compare_labels);
    writer_open(writer, 'a', "{ss}");
    for (unsigned i = 0; i < n; i++) {
        writer_open(writer, 'e', "ss");
        writer_string(writer, keys[i]);
        writer_string(writer, g_hash_table_lookup(labels, keys[i]));
        writer_close(writer);
    }
    writer_close(writer);
}

static bool property_equal_labels(const StateRecord *a, const StateRecord *b)
{
    return a->about == b->about ||
           about_labels_equal(state_record_about(a)->labels, state_record_about(b)->labels);
}

static void property_write_enabled(Writer *writer, const Service *service,
                                   const StateRecord *record)
{
    writer_bool(writer, state_record_about(record)->enabled);
}

static bool property_equal_enabled(const StateRecord *a, const StateRecord *b)
{
    return state_record_about(a)->enabled == state_record_about(b)->enabled;
}

static void property_write_persistent(Writer *writer, const Service *service,
                                      const StateRecord *record)
{
    writer_bool(writer, state_record_about(record)->source != SOURCE_TRANSIENT);
}

static bool property_equal_persistent(const StateRecord *a, const StateRecord *b)
{
    return (state_record_about(a)->source == SOURCE_TRANSIENT) ==
           (state_record_about(b)->source == SOURCE_TRANSIENT);
}

static void property_write_definition_path(Writer *writer, const Service *service,
                                           const StateRecord *record)
{
    const char *directory = state_record_about(record)->directory;
    g_autofree char *path =
            directory != NULL ? g_strconcat(directory, "/", service_id(service), ".json", NULL)
                              : NULL;

    writer_string(writer, path);
}

static bool property_equal_definition_path(const StateRecord *a, const StateRecord *b)
{
    return state_record_about(a)->directory == state_record_about(b)->directory;
}

static void property_write_state(Writer *writer, const Service *service, const StateRecord *record)
{
    writer_string(writer, state_to_string(record->state));
}

static bool property_equal_state(const StateRecord *a, const StateRecord *b)
{
    return a->state == b->state;
}

static void property_write_sub_state(Writer *writer, const Service *service,
                                     const StateRecord *record)
{
    writer_string(writer, record->sub_state);
}

static bool property_equal_sub_state(const StateRecord *a, const StateRecord *b)
{
    return g_str_equal(a->sub_state, b->sub_state);
}

static void property_write_error(Writer *writer, const Service *service, const StateRecord *record)
{
    writer_string(writer, record->error != NULL ? record->error->message : "");
}

static bool property_equal_error(const StateRecord *a, const StateRecord *b)
{
    return g_strcmp0(a->error != NULL ? a->error->message : "",
                     b->error != NULL ? b->error->message : "") == 0;
}

static const char *property_error_name(const StateRecord *record)
{
    return record->error != NULL ? error_to_dbus_name(record->error) : "";
}

static void property_write_error_name(Writer *writer, const Service *service,
                                      const StateRecord *record)
{
    writer_string(writer, property_error_name(record));
}

static bool property_equal_error_name(const StateRecord *a, const StateRecord *b)
{
    return g_str_equal(property_error_name(a), property_error_name(b));
}

static void property_write_failure_class(Writer *writer, const Service *service,
                                         const StateRecord *record)
{
    writer_string(writer, failure_class_to_string(record->failure_class));
}

static bool property_equal_failure_class(const StateRecord *a, const StateRecord *b)
{
    return a->failure_class == b->failure_class;
}

static void property_write_config_digest(Writer *writer, const Service *service,
                                         const StateRecord *record)
{
    char digest[CONFIG_DIGEST_STRING] = "";

    if (record->config != NULL)
        config_text_digest(record->config, digest);
    writer_string(writer, digest);
}

static bool property_equal_config_digest(const StateRecord *a, const StateRecord *b)
{
    return config_text_equal(a->config, b->config);
}

static void property_write_last_transition(Writer *writer, const Service *service,
                                           const StateRecord *record)
{
    const Caller *caller = record->caller;

    writer_open(writer, 'a', "{sv}");
    writer_entry_uint64(writer, "serial", record->serial);
    writer_entry_uint64(writer, "time", record->time);
    writer_entry_string(writer, "from", record->from < 0 ? "" : state_to_string(record->from));
    writer_entry_string(writer, "to", state_to_string(record->state));
    writer_entry_string(writer, "cause", cause_to_string(record->cause));
    if (record->method != NULL)
        writer_entry_string(writer, "method", record->method);
    if (caller != NULL) {
        writer_entry_uint32(writer, "uid", caller->uid);
        writer_entry_uint32(writer, "pid", caller->pid);
        writer_entry_string(writer, "comm", caller->comm);
    }
    writer_close(writer);
}

static bool property_equal_last_transition(const StateRecord *a, const StateRecord *b)
{
    return a->serial == b->serial;
}

/* Most services name nobody and are named by nobody: then there are no links to look at. */
static bool property_equal_ids(const StateRecord *a, const StateRecord *b,
                               char *const *(*list)(const Links *links))
{
    return a->links == b->links || dependencies_list_equal(list(a->links), list(b->links));
}

#define PROPERTY_LINKS(noun, expression)                                                           \
    static char *const *property_list_##noun(const Links *links)                                   \
    {                                                                                              \
        return expression;                                                                         \
    }                                                                                              \
    static void property_write_##noun(Writer *writer, const Service *service,                      \
                                      const StateRecord *record)                                   \
    {                                                                                              \
        writer_strings(writer, property_list_##noun(record->links));                               \
    }                                                                                              \
    static bool property_equal_##noun(const StateRecord *a, const StateRecord *b)                  \
    {                                                                                              \
        return property_equal_ids(a, b, property_list_##noun);                                     \
    }

PROPERTY_LINKS(requires, links_list(links, RELATION_REQUIRES))
PROPERTY_LINKS(wants, links_list(links, RELATION_WANTS))
PROPERTY_LINKS(after, links_list(links, RELATION_AFTER))
PROPERTY_LINKS(before, links_list(links, RELATION_BEFORE))
PROPERTY_LINKS(conflicts, links_list(links, RELATION_CONFLICTS))
PROPERTY_LINKS(part_of, links_list(links, RELATION_PART_OF))
PROPERTY_LINKS(required_by, links_required_by(links))
PROPERTY_LINKS(waiting_for, links_waiting_for(links))

#define ATTRIBUTE(name, signature, noun)                                                           \
    {                                                                                              \
        name, signature, false, property_write_##noun, NULL, 0                                     \
    }
#define COMPUTED(name, signature, noun)                                                            \
    {                                                                                              \
        name, signature, true, property_write_##noun, property_equal_##noun, 0                     \
    }
#define FIELD(name, signature, field)                                                              \
    {                                                                                              \
        name, signature, true, NULL, NULL, offsetof(StateRecord, field)                            \
    }

const ServiceProperty service_properties[] = {
        ATTRIBUTE("Id", "s", id),
        ATTRIBUTE("Kind", "s", kind),
        COMPUTED("Description", "s", description),
        COMPUTED("Labels", "a{ss}", labels),
        COMPUTED("State", "s", state),
        COMPUTED("SubState", "s", sub_state),
        FIELD("Active", "b", active),
        FIELD("Loading", "b", loading),
        COMPUTED("Enabled", "b", enabled),
        COMPUTED("Persistent", "b", persistent),
        COMPUTED("DefinitionPath", "s", definition_path),
        FIELD("WillRetry", "b", will_retry),
        COMPUTED("Error", "s", error),
        COMPUTED("ErrorName", "s", error_name),
        COMPUTED("FailureClass", "s", failure_class),
        FIELD("FailedAttempts", "u", failed_attempts),
        FIELD("MaxAttempts", "u", max_attempts),
        FIELD("LastActiveTime", "t", last_active_time),
        FIELD("LastInactiveTime", "t", last_inactive_time),
        FIELD("LastErrorTime", "t", last_error_time),
        FIELD("LastConfigTime", "t", last_config_time),
        FIELD("LastLoadingStartTime", "t", last_loading_start_time),
        FIELD("LastLoadingEndTime", "t", last_loading_end_time),
        FIELD("NextAttemptTime", "t", next_attempt_time),
        FIELD("ConfigRevision", "t", config_revision),
        COMPUTED("ConfigDigest", "s", config_digest),
        COMPUTED("LastTransition", "a{sv}", last_transition),
        COMPUTED("Requires", "as", requires),
        COMPUTED("Wants", "as", wants),
        COMPUTED("After", "as", after),
        COMPUTED("Before", "as", before),
        COMPUTED("Conflicts", "as", conflicts),
        COMPUTED("PartOf", "as", part_of),
        COMPUTED("RequiredBy", "as", required_by),
        COMPUTED("WaitingFor", "as", waiting_for),
        FIELD("StateSerial", "t", serial),
        {NULL, NULL, false, NULL, NULL, 0},
};

G_STATIC_ASSERT(sizeof(unsigned) == sizeof(uint32_t));

/* Once for each property of each service when all are asked for: most names differ in the first
 * letter already. */
const ServiceProperty *service_property_find(const char *name)
{
    for (const ServiceProperty *property = service_properties; property->name != NULL; property++) {
        if (property->name[0] == name[0] && g_str_equal(property->name, name))
            return property;
    }
    return NULL;
}

void service_property_write(const ServiceProperty *property, Writer *writer, const Service *service,
                            const StateRecord *record)
{
    const void *field = (const char *)record + property->offset;

    if (property->write != NULL)
        property->write(writer, service, record);
    else if (*property->signature == 'b')
        writer_bool(writer, *(const bool *)field);
    else if (*property->signature == 'u')
        writer_uint32(writer, *(const uint32_t *)field);
    else
        writer_uint64(writer, *(const uint64_t *)field);
}

void service_property_write_entry(const ServiceProperty *property, Writer *writer,
                                  const Service *service, const StateRecord *record)
{
    writer_entry_open(writer, property->name, property->signature);
    service_property_write(property, writer, service, record);
    writer_entry_close(writer);
}

bool service_property_is_equal(const ServiceProperty *property, const StateRecord *a,
                               const StateRecord *b)
{
    const char *x = (const char *)a + property->offset, *y = (const char *)b + property->offset;

    if (!property->of_record)
        return true;
    if (property->equal != NULL)
        return property->equal(a, b);
    if (*property->signature == 'b')
        return *(const bool *)x == *(const bool *)y;
    return memcmp(x, y, *property->signature == 'u' ? sizeof(uint32_t) : sizeof(uint64_t)) == 0;
}
