/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where no cgroup keeps the processes of a run together: those that have left its session. Each of
 * them carries the number of its run in RLIMIT_LOCKS, or its INVOCATION_ID in the environment that
 * it was started with. When all of a run in the daemon's sight is dead, whatever is left of it has
 * become a child of the daemon, which is a subreaper. Who has changed both, as programs do that a
 * service manager below ours has started, is not known; with cgroups he is. */

#include "process/host.h"

#include <limits.h>
#include <stdbool.h>

/* A question whether there are any; it is the asker's, zeroed before its first use. */
typedef struct StragglersQuestion StragglersQuestion;
/* Instead of a number: they could not be looked for (too many open files, no memory). Whoever hears
 * it has to take it that somebody is left, and may ask again at once: the next look takes its time.
 * That there is no /proc is no such case: then nobody can ever be found. */
#define STRAGGLERS_UNKNOWN UINT_MAX
/* n_found: how many live. Called from the loop; may ask again, or free the question. */
typedef void (*StragglersFunc)(unsigned n_found, void *data);
struct StragglersQuestion {
    const char *invocation_id; /* borrowed until it is answered or forgotten */
    StragglersFunc func;
    void *data;
    GList link;
    bool is_asked;
    bool is_looked_for; /* by the look that is under way */
};
/* Answered once, after a look at the daemon's children that begins after this call. All that are
 * asked meanwhile share it, and the looks take at most half of the daemon's time. Asking again
 * before the answer changes nothing. */
void stragglers_ask(ProcessHost *host, StragglersQuestion *question);
void stragglers_forget(ProcessHost *host, StragglersQuestion *question); /* also if not asked */

/* Looks at all processes now, and sends signo to those of the run (0: to nobody), wherever they
 * are, not_pid excepted. Returns how many there are, or STRAGGLERS_UNKNOWN if none was found and
 * not all could be looked at. Not for what happens often. */
unsigned stragglers_signal(ProcessHost *host, const char *invocation_id, pid_t not_pid, int signo);
/* One of the run that lives; 0: none, or nobody could be looked for. */
pid_t stragglers_find(ProcessHost *host, const char *invocation_id);
/* Whether pid is of the run, by its number or its environment. A hint, unless the caller holds on
 * to the process. */
bool stragglers_has(ProcessHost *host, const char *invocation_id, pid_t pid);

/* Of the host. No question may be left (asserted). Accepts NULL. */
typedef struct Stragglers Stragglers;
void stragglers_free(Stragglers *stragglers);
