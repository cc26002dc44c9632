/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How the daemon is to run: the command line, the environment and the config file, in that
 * precedence, over the defaults, checked. One table (options-table.c) drives them all: the option
 * --log-level is the variable SVCMGR_LOG_LEVEL and the member log_level. Paths come out absolute,
 * so that the daemon may change its directory.
 *
 * Every mistake of every source is reported with its place: "--log-level: ...",
 * "SVCMGR_LOG_LEVEL: ...", "/etc/svcmgr/svcmgrd.json: log_level: ...". Of system, user and address
 * one source may set one; it takes the place of what a source of lower precedence sets of them. An
 * empty variable counts as one that is not set. */

#include "base/enum-table.h"
#include "base/log.h"

#include <glib.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

/* What is started with the daemon. */
typedef enum RestoreOption {
    RESTORE_OPTION_AUTO, /* the daemon decides by whether the system was booted since */
    RESTORE_OPTION_ENABLED,
    RESTORE_OPTION_WANTED,
    RESTORE_OPTION_NONE,
    _RESTORE_OPTION_MAX,
    _RESTORE_OPTION_INVALID = -22,
} RestoreOption;
ENUM_TABLE_DECLARE(RestoreOption, restore_option); /* "auto", "enabled", "wanted", "none" */

/* Zero-initialised, with what the composition root gives. All strings are owned. */
typedef struct Options {
    /* Given by the composition root. */
    bool is_root;

    /* From here on, after options_validate: of the command line alone. */
    bool help;
    bool version;
    bool print_config;
    bool list_units;

    bool system;         /* true unless address or user is; what use_system_bus says */
    bool user;           /* was asked for; a daemon that is not root's is a user's in any case */
    bool use_system_bus; /* without address: the system bus, else the session's */
    char *address;       /* of a bus, or NULL */
    char *socket;        /* path of the private socket; NULL: none */

    /* In which definitions are, lowest precedence first. Those that were given must exist; those
     * that are merely the default may be missing. */
    char **services_dirs;
    bool services_dirs_given;

    char *state_dir;
    char *runtime_dir;
    char *log_dir;
    uint64_t log_max_total_bytes; /* of all that services have said; 0: no limit */
    char *hooks_dir;              /* may be missing unless given; NULL: a user without a home */
    bool hooks_dir_given;
    char *config;   /* the config file that was read or, as the default one may, is missing; or NULL
                     */
    char *pid_file; /* or NULL */
    char *cgroup;   /* "auto", "none", or a directory of a cgroup v2 hierarchy */

    uint64_t max_services;
    uint64_t max_starting; /* at once; 0: no limit */
    RestoreOption restore;
    uint64_t startup_timeout_usec;
    uint64_t shutdown_timeout_usec; /* 0: computed from the services' own */
    LogLevel log_level;
    json_t *defaults; /* for Kind.defaults (core/kind.h), or NULL */

    struct OptionsReading *reading; /* private */
} Options;

void options_done(Options *options);

/* Callbacks of a unit (run/group.h) whose data are the Options. options_validate reads the
 * environment and the config file too. Unknown variables SVCMGR_* are a warning in the log. */
GOptionGroup *options_group(void *options);
void options_validate(void *options, GPtrArray *errors);

/* The effective configuration, after options_validate: JSON text that is itself a config file with
 * the same effect. Its "$comment" says where each member comes from. After errors: what is good. */
char *options_to_json(const Options *options);
