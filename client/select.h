/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which services a command is about, and the pages of ListServices. */

#include "client.h"
#include "value.h"

/* What to list; every member may be NULL (no filter). fields ends with NULL. */
typedef struct Selection {
    char **ids;
    char **kinds;
    char **states;
    const char *pattern;
    const char *const *fields;
} Selection;

/* Every service that is selected, in the order of ids: an array of objects. */
Outcome select_list(Client *client, const Selection *selection, json_t **ret_services);

/* Whether it is a pattern and not an id. */
bool select_is_pattern(const char *argument);
/* Ids and patterns as ids, each once. A pattern that matches nothing is said, and fails; plain ids
 * are not asked for. Free with g_strfreev. */
Outcome select_ids(Client *client, char **arguments, char ***ret_ids);
