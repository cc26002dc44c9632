/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Each function is one sd-bus call behind the check of what went before. */

#include "bus/writer.h"

#include "bus/text.h"

#include <glib.h>
#include <string.h>

/* The length, the end and what aligns a value. */
#define WRITER_VALUE_BYTES 16
/* There are fewer descriptors than bytes: so many of those are as bad to keep as one of them. */
#define WRITER_FD_BYTES (UINT64_C(64) * 1024)

static void writer_note(Writer *writer, int result)
{
    if (result < 0)
        writer->result = result;
}

void writer_open(Writer *writer, char type, const char *contents)
{
    writer->bytes += WRITER_VALUE_BYTES;
    if (writer->result == 0)
        writer_note(writer, sd_bus_message_open_container(writer->message, type, contents));
}

void writer_close(Writer *writer)
{
    if (writer->result == 0)
        writer_note(writer, sd_bus_message_close_container(writer->message));
}

static void writer_basic(Writer *writer, char type, const void *value)
{
    writer->bytes += WRITER_VALUE_BYTES;
    if (writer->result == 0)
        writer_note(writer, sd_bus_message_append_basic(writer->message, type, value));
}

void writer_string(Writer *writer, const char *text)
{
    g_autofree char *copy = NULL;
    const char *sent = text_sendable(text != NULL ? text : "", &copy);

    writer->bytes += strlen(sent);
    writer_basic(writer, 's', sent);
}

void writer_path(Writer *writer, const char *path)
{
    writer->bytes += strlen(path);
    writer_basic(writer, 'o', path);
}

void writer_bool(Writer *writer, bool value)
{
    int wide = value;

    writer_basic(writer, 'b', &wide);
}

void writer_int32(Writer *writer, int32_t value)
{
    writer_basic(writer, 'i', &value);
}

void writer_uint32(Writer *writer, uint32_t value)
{
    writer_basic(writer, 'u', &value);
}

void writer_uint64(Writer *writer, uint64_t value)
{
    writer_basic(writer, 't', &value);
}

void writer_strings(Writer *writer, char *const *strings)
{
    writer_open(writer, 'a', "s");
    for (; strings != NULL && *strings != NULL; strings++)
        writer_string(writer, *strings);
    writer_close(writer);
}

void writer_fd(Writer *writer, int fd)
{
    writer->bytes += WRITER_FD_BYTES;
    writer_basic(writer, 'h', &fd);
}

void writer_entry_open(Writer *writer, const char *key, const char *signature)
{
    writer_open(writer, 'e', "sv");
    writer_string(writer, key);
    writer_open(writer, 'v', signature);
}

void writer_entry_close(Writer *writer)
{
    writer_close(writer);
    writer_close(writer);
}

void writer_entry_string(Writer *writer, const char *key, const char *text)
{
    writer_entry_open(writer, key, "s");
    writer_string(writer, text);
    writer_entry_close(writer);
}

void writer_entry_strings(Writer *writer, const char *key, char *const *strings)
{
    if (strings == NULL || *strings == NULL)
        return;
    writer_entry_open(writer, key, "as");
    writer_strings(writer, strings);
    writer_entry_close(writer);
}

void writer_entry_uint32(Writer *writer, const char *key, uint32_t value)
{
    writer_entry_open(writer, key, "u");
    writer_uint32(writer, value);
    writer_entry_close(writer);
}

void writer_entry_uint64(Writer *writer, const char *key, uint64_t value)
{
    writer_entry_open(writer, key, "t");
    writer_uint64(writer, value);
    writer_entry_close(writer);
}
