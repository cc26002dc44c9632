/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A command is a row of its family's table; a family is a file. */

#include "client.h"

#include <glib.h>

typedef struct Command {
    const char *name;
    const char *arguments; /* as in the usage line */
    const char *summary;
    const char *details; /* more lines for "svcmgr help NAME", or NULL */
    const char *example;
    unsigned min_arguments;
    unsigned max_arguments;      /* COMMAND_ANY: no limit */
    const GOptionEntry *options; /* the command's own; NULL: none */
    /* arguments: without the command's name, NULL-terminated. Prints its own errors. */
    Outcome (*run)(Client *client, char **arguments);
} Command;
#define COMMAND_ANY G_MAXUINT

typedef struct CommandFamily {
    const char *title;
    const Command *commands; /* ends with a NULL name */
} CommandFamily;

extern const Command look_commands[];
extern const Command depend_commands[];
extern const Command act_commands[];
extern const Command define_commands[];
extern const Command follow_commands[];
extern const Command ask_commands[];
extern const Command daemon_commands[];

/* Ends with a NULL title. */
extern const CommandFamily command_families[];
/* NULL if there is none. */
const Command *command_find(const char *name);
