/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last errors of one thing, kept until somebody has read them for a verdict. When full, the
 * oldest goes. */

#include <glib.h>
#include <stddef.h>

#define ERROR_BUFFER_CAPACITY 50

typedef struct ErrorBuffer ErrorBuffer;

/* Capacity 0 keeps none. No memory is taken for entries until the first append. */
ErrorBuffer *error_buffer_new(size_t capacity);
void error_buffer_free(ErrorBuffer *buffer);
/* Copies error. NULL is ignored. */
void error_buffer_append(ErrorBuffer *buffer, const GError *error);
size_t error_buffer_count(const ErrorBuffer *buffer);
/* Shrinking drops the oldest. */
void error_buffer_set_capacity(ErrorBuffer *buffer, size_t capacity);
/* All, oldest first, joined as errors_join does; NULL if there is none. Reading changes nothing. */
GError *error_buffer_peek(const ErrorBuffer *buffer);
/* The same, and empties the buffer. */
GError *error_buffer_flush(ErrorBuffer *buffer);
