/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A page token is the last id of the page: ids are ordered, so a list stays right while services
 * come and go between two pages. */

#include "bus/listing.h"

#include "base/errors.h"
#include "base/parse.h"
#include "bus/call.h"
#include "bus/emit.h"
#include "bus/errors.h"
#include "bus/glob.h"
#include "bus/options.h"
#include "bus/service-properties.h"

#include <stddef.h>
#include <string.h>

#define LISTING_EVENT_BYTES 512

const Kind *listing_get_kind(Map *map, const char *name, GError **error)
{
    const Kind *found = map_find_kind(map, name);
    g_autoptr(GString) known = NULL;
    g_autofree char *excerpt = NULL;

    if (found != NULL)
        return found;
    known = g_string_new(NULL);
    for (const Kind *const *kind = map_kinds(map); *kind != NULL; kind++)
        g_string_append_printf(known, "%s%s", known->len > 0 ? ", " : "", (*kind)->name);
    excerpt = parse_excerpt(name);
    (void)error_set(error, ERROR_UNKNOWN_KIND, /* always false */
                    "there is no kind '%s'; the kinds are: %s", excerpt, known->str);
    return NULL;
}

/* ListServices */

typedef struct ListArguments {
    GStrv ids;
    GStrv kinds;
    GStrv states;
    const char *pattern;
    GStrv fields;
    uint32_t limit;
    const char *page_token;
    /* As sets, since a stranger says how many there are; NULL and, for states, no list: all. */
    GHashTable *wanted_ids;
    GHashTable *wanted_kinds;
    Glob *glob;                      /* NULL: any id */
    unsigned wanted_states;          /* a bit each */
    const ServiceProperty **columns; /* NULL-terminated */
} ListArguments;

static const Option listing_options[] = {
        {"ids", "as", offsetof(ListArguments, ids)},
        {"kinds", "as", offsetof(ListArguments, kinds)},
        {"states", "as", offsetof(ListArguments, states)},
        {"pattern", "s", offsetof(ListArguments, pattern)},
        {"fields", "as", offsetof(ListArguments, fields)},
        {"limit", "u", offsetof(ListArguments, limit)},
        {"page_token", "s", offsetof(ListArguments, page_token)},
        {NULL, NULL, 0},
};

static const char *const listing_default_fields[] = {
        "Id",
        "Kind",
        "Description",
        "State",
        "SubState",
        "Enabled",
        "Error",
        "FailedAttempts",
        "NextAttemptTime",
        "LastActiveTime",
        "LastInactiveTime",
        "StateSerial",
        NULL,
};

void listing_arguments_free(void *data)
{
    ListArguments *arguments = data;

    options_clear(listing_options, arguments);
    g_clear_pointer(&arguments->wanted_ids, g_hash_table_unref);
    g_clear_pointer(&arguments->wanted_kinds, g_hash_table_unref);
    glob_free(arguments->glob);
    g_free(arguments->columns);
    g_free(arguments);
}

/* Id always comes first. */
static bool listing_read_fields(ListArguments *arguments, GError **error)
{
    const char *const *fields = arguments->fields != NULL ? (const char *const *)arguments->fields
                                                          : listing_default_fields;
    g_autoptr(GPtrArray) columns = g_ptr_array_new();

    g_ptr_array_add(columns, (void *)service_property_find("Id"));
    for (; *fields != NULL; fields++) {
        const ServiceProperty *property = service_property_find(*fields);

        if (property == NULL) {
            g_autofree char *excerpt = parse_excerpt(*fields);

            return error_set(error, ERROR_INVALID_ARGS,
                             "option 'fields': '%s' is no property of org.svcmgr1.Service",
                             excerpt);
        }
        if (!g_ptr_array_find(columns, property, NULL))
            g_ptr_array_add(columns, (void *)property);
    }
    g_ptr_array_add(columns, NULL);
    arguments->columns = (void *)g_ptr_array_free(g_steal_pointer(&columns), FALSE);
    return true;
}

static bool listing_read_states(ListArguments *arguments, GError **error)
{
    for (char **name = arguments->states; name != NULL && *name != NULL; name++) {
        State state = state_from_string(*name);
        g_autofree char *excerpt = NULL;

        if ((int)state < 0) {
            excerpt = parse_excerpt(*name);
            return error_set(error, ERROR_INVALID_ARGS,
                             "option 'states': expected inactive, waiting, starting, active, "
                             "reloading, backoff, stopping or failed, got '%s'",
                             excerpt);
        }
        arguments->wanted_states |= 1U << state;
    }
    return true;
}

/* The strings stay in strv. */
static GHashTable *listing_set_of(GStrv strv)
{
    GHashTable *set;

    if (strv == NULL)
        return NULL;
    set = g_hash_table_new(g_str_hash, g_str_equal);
    for (; *strv != NULL; strv++)
        g_hash_table_add(set, *strv);
    return set;
}

bool method_listing_read_services(Call *call, GError **error)
{
    ListArguments *arguments = call->arguments = g_new0(ListArguments, 1);

    if (!options_read(call->message, listing_options, arguments, error) ||
        !listing_read_states(arguments, error) || !listing_read_fields(arguments, error))
        return false;
    if (arguments->page_token != NULL && *arguments->page_token != '\0' &&
        !parse_id(arguments->page_token, NULL))
        return error_set(error, ERROR_INVALID_ARGS,
                         "option 'page_token': expected one from an answer before");
    if (arguments->pattern != NULL && strlen(arguments->pattern) > GLOB_MAX_BYTES)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "option 'pattern': it is %zu bytes long; at most %d are accepted",
                         strlen(arguments->pattern), GLOB_MAX_BYTES);
    if (arguments->limit == 0 || arguments->limit > LISTING_MAX_SERVICES)
        arguments->limit = LISTING_MAX_SERVICES;
    arguments->wanted_ids = listing_set_of(arguments->ids);
    arguments->wanted_kinds = listing_set_of(arguments->kinds);
    return true;
}

static bool listing_is_wanted(const ListArguments *arguments, const Service *service)
{
    const char *id = service_id(service);

    if (arguments->wanted_ids != NULL && !g_hash_table_contains(arguments->wanted_ids, id))
        return false;
    if (arguments->wanted_kinds != NULL &&
        !g_hash_table_contains(arguments->wanted_kinds, service_kind(service)->name))
        return false;
    if (arguments->states != NULL &&
        !(arguments->wanted_states & (1U << service_state(service)->state)))
        return false;
    return arguments->glob == NULL || glob_matches(arguments->glob, id);
}

static Service *listing_next(Map *map, const ListArguments *arguments, const char *after)
{
    Service *service = map_next(map, after);

    while (service != NULL && !listing_is_wanted(arguments, service))
        service = map_next(map, service_id(service));
    return service;
}

static void listing_write_service(Writer *writer, const ListArguments *arguments,
                                  const Service *service)
{
    writer_open(writer, 'a', "{sv}");
    for (const ServiceProperty **column = arguments->columns; *column != NULL; column++)
        service_property_write_entry(*column, writer, service, service_state(service));
    writer_close(writer);
}

bool method_listing_services(Call *call, GError **error)
{
    ListArguments *arguments = call->arguments;
    Map *map = call->bus->map;
    const char *last = "";
    Writer writer = call_reply_begin(call);
    uint64_t bytes = 0;
    Service *service;

    if (arguments->pattern != NULL)
        arguments->glob = glob_new(arguments->pattern);
    service = listing_next(map, arguments, arguments->page_token);
    writer_open(&writer, 'a', "a{sv}");
    for (unsigned n = 0; service != NULL && n < arguments->limit && bytes < LISTING_MAX_BYTES;
         n++) {
        listing_write_service(&writer, arguments, service);
        bytes += bus_service_bytes(service);
        last = service_id(service);
        service = listing_next(map, arguments, last);
    }
    writer_close(&writer);
    writer_string(&writer, service != NULL ? last : "");
    call_reply(call, &writer);
    return true;
}

/* ListKinds, ValidateConfig */

bool method_listing_kinds(Call *call, GError **error)
{
    Writer writer = call_reply_begin(call);

    writer_open(&writer, 'a', "a{sv}");
    for (const Kind *const *kind = map_kinds(call->bus->map); *kind != NULL; kind++) {
        writer_open(&writer, 'a', "{sv}");
        writer_entry_string(&writer, "Name", (*kind)->name);
        writer_entry_string(&writer, "Description", (*kind)->description);
        writer_entry_string(&writer, "Interface", (*kind)->interface);
        writer_close(&writer);
    }
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}

void listing_answer_problems(Call *call, const Problems *problems)
{
    Writer writer = call_reply_begin(call);

    writer_open(&writer, 'a', "a{sv}");
    for (unsigned i = 0; i < problems_count(problems); i++) {
        const Problem *problem = problems_get(problems, i);

        writer_open(&writer, 'a', "{sv}");
        writer_entry_string(&writer, "severity", problem_severity_to_string(problem->severity));
        writer_entry_string(&writer, "pointer", problem->pointer);
        writer_entry_uint32(&writer, "line", problem->line);
        writer_entry_uint32(&writer, "column", problem->column);
        writer_entry_string(&writer, "message", problem->message);
        writer_close(&writer);
    }
    writer_close(&writer);
    call_reply(call, &writer);
}

/* GetEvents */

typedef struct EventsArguments {
    uint64_t after_serial;
    uint32_t max;
} EventsArguments;

bool method_listing_read_events(Call *call, GError **error)
{
    EventsArguments *arguments = call->arguments = g_new0(EventsArguments, 1);
    int r = sd_bus_message_read(call->message, "tu", &arguments->after_serial, &arguments->max);

    return r >= 0 || bus_errors_set_unreadable(error, r, "after_serial and max");
}

static void listing_write_event(Writer *writer, const Event *event)
{
    writer_open(writer, 'a', "{sv}");
    writer_entry_uint64(writer, "serial", event->serial);
    writer_entry_uint64(writer, "time", event->time);
    writer_entry_string(writer, "type", event_type(event));
    writer_entry_string(writer, "id", event->id);
    emit_write_event_entries(writer, event);
    writer_close(writer);
}

bool method_listing_events(Call *call, GError **error)
{
    const EventsArguments *arguments = call->arguments;
    const Events *events = call->bus->events;
    uint64_t serial = MAX(events_oldest(events), usec_add(arguments->after_serial, 1));
    uint32_t max = arguments->max != 0 ? arguments->max : EVENTS_KEPT;
    Writer writer = call_reply_begin(call);
    const Event *event;
    uint64_t bytes = 0;

    writer_uint64(&writer, events_oldest(events));
    writer_uint64(&writer, events_newest(events));
    writer_open(&writer, 'a', "a{sv}");
    for (; max > 0 && bytes < LISTING_MAX_BYTES && (event = events_find(events, serial)) != NULL;
         max--, serial++) {
        listing_write_event(&writer, event);
        bytes += LISTING_EVENT_BYTES + (event->error != NULL ? strlen(event->error) : 0);
    }
    writer_close(&writer);
    call_reply(call, &writer);
    return true;
}
