/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text of an event: serial, time of day, id, what became of it, and why. */

#include "event.h"

#include "record.h"
#include "text.h"

#include <fnmatch.h>
#include <stdio.h>
#include <string.h>

#define EVENT_DAEMON "svcmgrd" /* instead of the id of a service */
#define EVENT_ID_WIDTH 12
#define EVENT_SERIAL_WIDTH 6
#define EVENT_MOVE_WIDTH 22

typedef enum EventSort {
    EVENT_SORT_SERVICE,
    EVENT_SORT_DOUBLE, /* of a service, too; its transitions tell the same */
    EVENT_SORT_DAEMON, /* the id, if there is one, is no service's */
} EventSort;

static EventSort event_sort(const json_t *event)
{
    static const struct {
        const char *prefix; /* of the type */
        EventSort sort;
    } sorts[] = {
            {"Process", EVENT_SORT_DOUBLE},
            {"App", EVENT_SORT_DAEMON},
            {"PreHook", EVENT_SORT_DAEMON},
            {"PostHook", EVENT_SORT_DAEMON},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(sorts); i++) {
        if (g_str_has_prefix(value_string(event, "type"), sorts[i].prefix))
            return sorts[i].sort;
    }
    return EVENT_SORT_SERVICE;
}

int event_from_signal(sd_bus_message *signal, json_t **ret_event)
{
    uint64_t serial;
    uint64_t time;
    const char *type;
    const char *id;
    g_autoptr(json_t) data = NULL;
    int r = sd_bus_message_read(signal, "ttss", &serial, &time, &type, &id);

    if (r >= 0)
        r = value_read(signal, &data);
    if (r < 0)
        return r;
    json_t *event = json_pack("{s:I, s:I, s:s, s:s}", "serial", (json_int_t)serial, "time",
                              (json_int_t)time, "type", type, "id", id);
    (void)json_object_update(event, data); /* fails only without memory */
    *ret_event = event;
    return 0;
}

int event_read_reply(sd_bus_message *reply, uint64_t *ret_oldest, uint64_t *ret_newest,
                     json_t **ret_events)
{
    int r = sd_bus_message_read(reply, "tt", ret_oldest, ret_newest);

    return r < 0 ? r : value_read(reply, ret_events);
}

/* "Created" is "created" to a person; what the daemon says of itself keeps its name, which tells it
 * from a service's. */
static char *event_word(const json_t *event)
{
    g_autofree char *type = text_escape(value_string(event, "type"));

    return event_sort(event) == EVENT_SORT_SERVICE ? g_ascii_strdown(type, -1)
                                                   : g_steal_pointer(&type);
}

/* Prints "starting -> active", or what else it is; returns its width. */
static int event_print_move(const Output *output, const json_t *event)
{
    g_autofree char *from = text_escape(value_string(event, "from"));
    g_autofree char *to = text_escape(value_string(event, "to"));
    g_autofree char *before = g_str_equal(from, to)
                                      ? g_strdup("")
                                      : g_strdup_printf("%s %s ", from, output_arrow(output));

    if (!g_str_equal(value_string(event, "type"), "Transition")) {
        g_autofree char *word = event_word(event);
        return printf("%s", word);
    }
    printf("%s%s%s%s", before, output_colour(output, output_state_colour(to)), to,
           output_reset(output, output_state_colour(to)));
    return text_width(before) + text_width(to);
}

static void event_print_text(const Output *output, const json_t *event)
{
    g_autofree char *clock = text_clock(value_unsigned(event, "time"));
    const char *named = value_string(event, "id");
    g_autofree char *id = text_escape(named[0] != '\0' ? named : EVENT_DAEMON);
    g_autofree char *cause = record_cause(event);
    const char *error = value_string(event, "error");
    g_autofree char *why = g_strdup_printf("%s%s%s", cause,
                                           cause[0] != '\0' && error[0] != '\0' ? ": " : "", error);
    g_autofree char *reason = text_escape(why);

    printf("%*" G_GUINT64_FORMAT " %s%s%s %s%*s ", EVENT_SERIAL_WIDTH,
           value_unsigned(event, "serial"), output_colour(output, COLOUR_DIM), clock,
           output_reset(output, COLOUR_DIM), id, MAX(EVENT_ID_WIDTH - text_width(id), 0), "");
    int width = event_print_move(output, event);
    printf("%*s%s\n", reason[0] != '\0' ? MAX(EVENT_MOVE_WIDTH - width, 2) : 0, "", reason);
    (void)fflush(stdout); /* a reader waits for it; output_flush reports what went wrong */
}

void event_print(const Output *output, json_t *event)
{
    if (output->json != JSON_MODE_NONE)
        output_json(output, json_incref(event));
    else
        event_print_text(output, event);
}

bool event_is_of(const EventFilter *filter, const char *id)
{
    if (filter->patterns[0] == NULL)
        return true;
    for (char **pattern = filter->patterns; *pattern != NULL; pattern++) {
        if (fnmatch(*pattern, id, 0) == 0)
            return true;
    }
    return false;
}

bool event_is_wanted(const EventFilter *filter, const json_t *event)
{
    EventSort sort = event_sort(event);

    if (sort == EVENT_SORT_DAEMON)
        return filter->patterns[0] == NULL;
    return (sort != EVENT_SORT_DOUBLE || filter->everything) &&
           event_is_of(filter, value_string(event, "id"));
}

bool event_is_first(const json_t *event)
{
    return g_str_equal(value_string(event, "type"), "AppStartup");
}
