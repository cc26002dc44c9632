/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The environment of a program, put together: later settings win. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>

#define ENVIRONMENT_FILE_MAX_BYTES (64 * 1024)
#define ENVIRONMENT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

typedef struct Environment Environment;

/* Empty. */
Environment *environment_new(void);
void environment_free(Environment *environment); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Environment, environment_free)

/* [A-Za-z_][A-Za-z0-9_]* */
bool environment_name_is_valid(const char *name, size_t length);
/* Whether it is the daemon that sets this variable, for every program or where it applies:
 * INVOCATION_ID, SVCMGR_ID, NOTIFY_SOCKET, MAINPID, WATCHDOG_*, LISTEN_*. */
bool environment_name_is_reserved(const char *name);

/* name is valid. */
void environment_set(Environment *environment, const char *name, const char *value);
/* NAME=value lines; blank lines and lines that start with # are left out, blanks around the value
 * and one pair of matching quotes are taken off, nothing is expanded; reserved names are refused.
 * An error names the file and the line, and nothing of what they contain; nothing is set then. */
bool environment_add_file(Environment *environment, const char *path, GError **error);
/* The value, borrowed, or NULL. */
const char *environment_get(const Environment *environment, const char *name);
/* NULL-terminated "NAME=value" strings in the order of their first setting; frees environment. */
char **environment_to_strv(Environment *environment);
