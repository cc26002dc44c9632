/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command line of the daemon, checked and with its defaults filled in. Paths come out absolute,
 * so that the daemon may change its directory. */

#include "base/log.h"

#include <glib.h>
#include <stdbool.h>

typedef struct Options {
    /* What was given. gboolean and char * since GOption writes them. */
    gboolean system;
    gboolean user;
    char *address;        /* of a bus, or NULL */
    char *socket;         /* after options_validate: the path of the private socket; NULL: none */
    char **services_dirs; /* or NULL */
    char *runtime_dir;
    char *max_services_text;
    char *log_level_text;
    gboolean version;
    gboolean help;

    /* What follows from it, after options_validate. */
    unsigned max_services; /* 0: the map's own default */
    LogLevel log_level;
    bool use_system_bus; /* without address: the system bus, else the session's */

    /* Given by the composition root. */
    bool is_root;
} Options;

void options_done(Options *options);

/* Callbacks of a unit (run/group.h) whose data are the Options. */
GOptionGroup *options_group(void *options);
void options_validate(void *options, GPtrArray *errors);
