/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command export: services as definition files. */

#include "client.h"

extern const GOptionEntry export_option_entries[];
Outcome export_run(Client *client, char **arguments);
