/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything that a program starts stays in its session unless it asks for another one; what has
 * left is known by the environment that it took along. */

#include "process/process-group.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define PROCESS_ENVIRON_MAX_BYTES (256 * 1024)

static void process_group_signal_one(ProcessHost *host, pid_t group, int signo)
{
    if (group > 0)
        (void)host->sys->kill(-group, signo); /* empty by now, or not ours to kill: seen later */
}

void process_group_signal(ProcessHost *host, const ProcessGroup *group, int signo)
{
    process_group_signal_one(host, group->leader, signo);
    process_group_signal_one(host, group->adopted, signo);
}

static void process_group_reap_one(ProcessHost *host, pid_t group)
{
    siginfo_t info = {0};

    while (group > 0 && host->sys->waitid(P_PGID, (id_t)group, &info, WEXITED | WNOHANG) == 0 &&
           info.si_pid != 0)
        info.si_pid = 0;
}

void process_group_reap(ProcessHost *host, const ProcessGroup *group)
{
    process_group_reap_one(host, group->leader);
    process_group_reap_one(host, group->adopted);
}

static void process_group_prune_one(ProcessHost *host, pid_t *group)
{
    if (*group > 0 && host->sys->kill(-*group, 0) < 0 && errno == ESRCH)
        *group = 0;
}

bool process_group_prune(ProcessHost *host, ProcessGroup *group)
{
    process_group_prune_one(host, &group->leader);
    process_group_prune_one(host, &group->adopted);
    return group->leader == 0 && group->adopted == 0;
}

static char *process_read_environ(ProcessHost *host, pid_t pid, size_t *ret_length)
{
    char path[64];
    g_autofree char *text = g_malloc(PROCESS_ENVIRON_MAX_BYTES);
    size_t length = 0;
    ssize_t n;

    (void)g_snprintf(path, sizeof path, "/proc/%d/environ", (int)pid);
    autofd int fd = host->sys->open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return NULL;
    while (length < PROCESS_ENVIRON_MAX_BYTES &&
           (n = host->sys->read(fd, text + length, PROCESS_ENVIRON_MAX_BYTES - length)) > 0)
        length += (size_t)n;
    *ret_length = length;
    return g_steal_pointer(&text);
}

static bool process_has_invocation(ProcessHost *host, pid_t pid, const char *invocation_id)
{
    g_autofree char *wanted = g_strconcat("INVOCATION_ID=", invocation_id, NULL);
    size_t length = 0, wanted_size = strlen(wanted) + 1;
    g_autofree char *text = process_read_environ(host, pid, &length);

    if (text == NULL)
        return false;
    for (const char *at = text, *end = text + length; at < end;) {
        size_t rest = (size_t)(end - at);

        if (rest >= wanted_size && memcmp(at, wanted, wanted_size) == 0)
            return true;
        at += strnlen(at, rest) + 1;
    }
    return false;
}

bool process_group_has(ProcessHost *host, const ProcessGroup *group, pid_t pid,
                       const char *invocation_id)
{
    if (pid <= 0)
        return false;
    if (group->leader > 0 && host->sys->getsid(pid) == group->leader)
        return true;
    return process_has_invocation(host, pid, invocation_id);
}
