/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A queue of error copies that never grows beyond its capacity: the head is the oldest and the
 * first to go. */

#include "base/error-buffer.h"

#include "base/errors.h"

struct ErrorBuffer {
    size_t capacity;
    GQueue errors; /* of GError *, oldest first */
};

ErrorBuffer *error_buffer_new(size_t capacity)
{
    ErrorBuffer *buffer = g_new0(ErrorBuffer, 1);

    buffer->capacity = capacity;
    g_queue_init(&buffer->errors);
    return buffer;
}

static void error_buffer_shrink(ErrorBuffer *buffer, size_t count)
{
    while (buffer->errors.length > count)
        g_error_free(g_queue_pop_head(&buffer->errors));
}

void error_buffer_free(ErrorBuffer *buffer)
{
    if (buffer == NULL)
        return;
    error_buffer_shrink(buffer, 0);
    g_free(buffer);
}

void error_buffer_append(ErrorBuffer *buffer, const GError *error)
{
    if (error == NULL || buffer->capacity == 0)
        return;
    error_buffer_shrink(buffer, buffer->capacity - 1);
    g_queue_push_tail(&buffer->errors, g_error_copy(error));
}

size_t error_buffer_count(const ErrorBuffer *buffer)
{
    return buffer->errors.length;
}

void error_buffer_set_capacity(ErrorBuffer *buffer, size_t capacity)
{
    buffer->capacity = capacity;
    error_buffer_shrink(buffer, capacity);
}

GError *error_buffer_peek(const ErrorBuffer *buffer)
{
    g_autoptr(GPtrArray) errors = g_ptr_array_sized_new(buffer->errors.length);

    for (const GList *link = buffer->errors.head; link != NULL; link = link->next)
        g_ptr_array_add(errors, link->data);
    return errors_join(errors);
}

GError *error_buffer_flush(ErrorBuffer *buffer)
{
    GError *joined = error_buffer_peek(buffer);

    error_buffer_shrink(buffer, 0);
    return joined;
}
