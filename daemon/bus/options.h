/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading an a{sv} of options by a table. A key that the table does not know, one of the wrong type
 * and one that comes twice are InvalidArgs that name it: a typo never passes silently. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <systemd/sd-bus.h>

/* Fields by signature: "b" bool; "s" const char * (the message's); "u" uint32_t; "t" uint64_t; "as"
 * GStrv; "a{ss}" GHashTable * of strings. They hold their defaults before. */
typedef struct Option {
    const char *name; /* NULL ends the table */
    const char *signature;
    size_t offset;
} Option;

/* An "as" that is an argument by itself; noun: what it is a list of. The result is the caller's. */
bool options_read_list(sd_bus_message *message, const char *noun, GStrv *ret_list, GError **error);
bool options_read(sd_bus_message *message, const Option *table, void *target, GError **error);
/* Frees what options_read put into the fields "as" and "a{ss}", which become NULL. */
void options_clear(const Option *table, void *target);
