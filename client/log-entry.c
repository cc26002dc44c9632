/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is not UTF-8 comes as base64, since JSON has no way to say it. */

#include "log-entry.h"

static bool log_entry_take_text(LogEntry *entry)
{
    const json_t *text = json_object_get(entry->json, "text");
    const json_t *bytes = json_object_get(entry->json, "bytes");

    if (json_is_string(text)) {
        entry->text = json_string_value(text);
        entry->length = json_string_length(text);
        return true;
    }
    if (!json_is_string(bytes))
        return false;
    gsize length = 0;
    entry->decoded = g_base64_decode(json_string_value(bytes), &length);
    entry->text = (const char *)entry->decoded;
    entry->length = length;
    return true;
}

LogEntry *log_entry_from_json(json_t *object)
{
    g_autoptr(LogEntry) entry = g_new0(LogEntry, 1);

    entry->json = json_incref(object);
    if (!log_entry_take_text(entry))
        return NULL;
    entry->time_usec = value_unsigned(object, "time_usec");
    entry->is_stderr = g_str_equal(value_string(object, "stream"), "stderr");
    entry->is_partial = value_boolean(object, "partial");
    entry->is_cut = value_boolean(object, "cut");
    entry->invocation = value_string(object, "invocation");
    return g_steal_pointer(&entry);
}

LogEntry *log_entry_parse(const char *line, size_t length)
{
    g_autoptr(json_t) object = json_loadb(line, length, 0, NULL);

    return object != NULL ? log_entry_from_json(object) : NULL;
}

void log_entry_free(LogEntry *entry)
{
    if (entry == NULL)
        return;
    json_decref(entry->json);
    g_free(entry->decoded);
    g_free(entry);
}
