/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An executable file that is told of a turn in the daemon's life, and may object to it. It runs in
 * a session and process group of its own, with /dev/null to read from, and writes to what the
 * daemon writes to. */

#include "process/host.h"

#include <sys/types.h>

typedef struct ProgramHook ProgramHook;
/* error: NULL, or what went wrong, with the path. May free the hook, or run it again. */
typedef void (*ProgramHookDone)(const GError *error, void *data);

/* occasion is what the program finds in SVCMGR_HOOK: "startup", "shutdown", "shutdown-error". */
ProgramHook *program_hook_new(ProcessHost *host, const char *path, const char *occasion);
/* If it runs, it is killed, and done is not called; what is left of it goes when its last process
 * is dead. The host must outlive that (process_host_n_running). Accepts NULL. */
void program_hook_free(ProgramHook *hook);

/* Must not be running. arguments: without the program's own name. environment: "NAME=value"
 * strings, besides PATH, LANG, INVOCATION_ID and SVCMGR_HOOK. Both are copied; NULL: none.
 *
 * done is called once, from the loop, when the whole process group is gone: what the program has
 * left running in it is killed. Exit status 0 is success. */
void program_hook_run(ProgramHook *hook, const char *const *arguments,
                      const char *const *environment, ProgramHookDone done, void *data);
/* Its time is up: SIGKILL to its process group, and done with ERROR_TIMEOUT. What even that does
 * not end is told as an error a few seconds later, and not waited for. Does nothing when it is not
 * running. */
void program_hook_abort(ProgramHook *hook);
bool program_hook_is_running(const ProgramHook *hook);
const char *program_hook_path(const ProgramHook *hook);

/* The paths (char *) of the hooks in directory, in the order of their names by bytes; none if there
 * is no such directory. Left out are hidden files, and what editors and packagers leave behind (~,
 * .dpkg-*, .rpm*). What cannot be used is added to errors (of GError *, which it owns), with what
 * to do about it: no regular file, not executable, or, when uid (the daemon's effective one) is
 * root, a file or directory that others could have changed (file_check_trusted) or have it lead
 * elsewhere (file_check_way_trusted). */
GPtrArray *program_hooks_find(const char *directory, uid_t uid, GPtrArray *errors);
/* Whether one that was found still can be used: before it runs, for that may be much later. */
bool program_hook_check(const char *path, uid_t uid, GError **error);
