/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of D-Bus as values of JSON: one model for every command, whether it prints text or JSON. A
 * dictionary becomes an object, a variant what is in it, a number above 2^63 - 1 a real. */

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-bus.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* Reads the next complete value of the message. 0 or negative errno (-ENXIO: there is none). */
int value_read(sd_bus_message *message, json_t **ret_value);

/* Members of an object; "", 0, false where there is no such member or of another type. */
const char *value_string(const json_t *object, const char *name);
uint64_t value_unsigned(const json_t *object, const char *name);
bool value_boolean(const json_t *object, const char *name);
