/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command status. */

#include "client.h"

Outcome status_run(Client *client, char **arguments);

/* The table of list (look.c). */
void look_list_print(const Output *output, const json_t *services);
