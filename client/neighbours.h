/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* GetDependencyGraph: who has to do with whom. */

#include "client.h"
#include "value.h"

/* The entries of all services, or, with ids (NULL-terminated), of those and what they reach; in
 * reverse: and of those that reach them. */
Outcome neighbours_ask(Client *client, char **ids, bool reverse, json_t **ret_entries);
