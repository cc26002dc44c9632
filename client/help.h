/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Usage, made from the tables of commands and options. */

#include "command.h"

/* The command help. */
Outcome help_run(Client *client, char **arguments);
/* All commands and the options that they have in common. */
void help_print_all(void);
void help_print_command(const Command *command);
/* The command whose name is nearest to a mistyped one; NULL if none is near. */
const char *help_guess(const char *name);

/* The options that all commands have in common; ends with a NULL name (main.c). */
extern const GOptionEntry global_options[];
