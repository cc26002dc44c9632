/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a client knows of the daemon's objects: path -> interface -> property -> value, each value
 * as a text of its own kind, so that two of them are the same exactly if the texts are. */

#include <glib.h>
#include <systemd/sd-bus.h>

typedef GHashTable StormTable; /* name -> text of its value */
typedef GHashTable StormModel; /* path -> interface -> StormTable */

StormTable *storm_table_new(void);
/* Reads an a{sv} into table; what was there under the same name is replaced. */
void storm_table_read(StormTable *table, sd_bus_message *message);
const char *storm_table_get(StormTable *table, const char *name); /* "" if it is not there */
uint64_t storm_table_get_unsigned(StormTable *table, const char *name);
/* In the order of names, without those of the list (NULL: with all); the caller's. */
char *storm_table_to_text(StormTable *table, const char *const *without);

StormModel *storm_model_new(void);
/* Reads the path and the interfaces of one object, and gives the path, the message's. Asserts that
 * it was not there. */
const char *storm_model_add(StormModel *model, sd_bus_message *message);
/* Of the reply of GetManagedObjects. */
StormModel *storm_model_read(sd_bus_message *reply);
StormTable *storm_model_find(StormModel *model, const char *path, const char *interface);
/* What differs first, as a text for a person; NULL: nothing. only: look at the properties of this
 * interface alone (NULL: at all). The caller's. */
char *storm_model_difference(StormModel *a, StormModel *b, const char *only);
