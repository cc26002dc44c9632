/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command daemon-reload. */

#include "client.h"

extern const GOptionEntry reload_option_entries[];
Outcome reload_run(Client *client, char **arguments);
