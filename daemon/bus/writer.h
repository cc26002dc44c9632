/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Filling a message: the first failure is kept and everything after it does nothing, so that a
 * whole reply is written as a straight line and checked once. Text that may not be sent is made
 * so that it may (text.h): a broker throws out who sends such a string. */

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

typedef struct Writer {
    sd_bus_message *message;
    int result;     /* 0, or the first negative errno */
    uint64_t bytes; /* about as many as the message has become */
} Writer;

void writer_open(Writer *writer, char type, const char *contents);
void writer_close(Writer *writer);

/* One value; NULL strings are "". */
void writer_string(Writer *writer, const char *text);
void writer_path(Writer *writer, const char *path);
void writer_bool(Writer *writer, bool value);
void writer_int32(Writer *writer, int32_t value);
void writer_uint32(Writer *writer, uint32_t value);
void writer_uint64(Writer *writer, uint64_t value);
/* An "as"; NULL is the empty one. */
void writer_strings(Writer *writer, char *const *strings);
/* A duplicate is sent; fd stays the caller's. */
void writer_fd(Writer *writer, int fd);

/* One entry of an a{sv}. entry_open ... a value of that signature ... entry_close for the rest. */
void writer_entry_open(Writer *writer, const char *key, const char *signature);
void writer_entry_close(Writer *writer);
void writer_entry_string(Writer *writer, const char *key, const char *text);
/* Nothing where there is none. */
void writer_entry_strings(Writer *writer, const char *key, char *const *strings);
void writer_entry_uint32(Writer *writer, const char *key, uint32_t value);
void writer_entry_uint64(Writer *writer, const char *key, uint64_t value);
