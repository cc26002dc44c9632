/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The commands enable and disable. */

#include "operate.h"

/* Says for each service whether it is to start with the daemon; then, for those where that went
 * well, now (NULL: nothing). arguments: ids and patterns. */
Outcome enable_run(Client *client, bool is_enabled, const Operation *now, char **arguments);
