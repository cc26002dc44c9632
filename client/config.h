/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command config: the configuration of a service, an earlier one, or the list of them. */

#include "client.h"

extern const GOptionEntry config_option_entries[];
Outcome config_run(Client *client, char **arguments);

/* What GetConfig says: the text (free with g_free) and its revision; 0: it has none yet. */
Outcome config_get(Client *client, const char *id, char **ret_config, uint64_t *ret_revision);
