/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who is in a cgroup. A number that was read from a list may be somebody else's by the time a
 * signal is sent: the process is held by its pidfd first, then looked up once more. While signals
 * are sent, members go on to fork: the list is read until nobody in it is new. */

#include "process/cgroup-internal.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define CGROUP_PASSES 64
#define CGROUP_OF_PROCESS_BYTES (4 * CGROUP_TEXT_BYTES)

typedef struct CgroupMatch {
    pid_t pid;
    bool is_listed;
} CgroupMatch;

static bool on_cgroup_match(pid_t pid, void *data)
{
    CgroupMatch *match = data;

    match->is_listed = pid == match->pid;
    return !match->is_listed;
}

static bool cgroup_place_lists(const CgroupPlace *place, pid_t pid)
{
    CgroupMatch match = {.pid = pid};

    (void)cgroup_place_walk(place, "cgroup.procs", on_cgroup_match, &match); /* then it is not */
    return match.is_listed;
}

/* Its own, or one below it. */
static bool cgroup_place_shows(const CgroupPlace *place, const char *path)
{
    size_t length = strlen(place->path);

    return strncmp(path, place->path, length) == 0 && (path[length] == '\0' || path[length] == '/');
}

/* What the process itself says. NULL and errno. */
static char *cgroup_place_ask(const CgroupPlace *place, pid_t pid)
{
    char file[64];

    (void)g_snprintf(file, sizeof file, "/proc/%d/cgroup", (int)pid);
    return cgroup_file_read_to(place->sys, AT_FDCWD, file, "0::", CGROUP_OF_PROCESS_BYTES);
}

/* The process is asked, as that is short; the list if that fails. */
bool cgroup_place_has(const CgroupPlace *place, pid_t pid)
{
    g_autofree char *text = cgroup_place_ask(place, pid);

    if (text == NULL && errno != ENOENT && errno != ESRCH)
        return cgroup_place_lists(place, pid);
    g_autofree char *path = text == NULL ? NULL : cgroup_path_parse(text);
    return path != NULL && cgroup_place_shows(place, path);
}

/* The kernel tells it in one word, where it can; false: it may be below it, or nobody knows. */
static bool cgroup_place_holds(const CgroupPlace *place, int pidfd)
{
    struct stat status;
    uint64_t id;

    return place->sys->pidfd_cgroup(pidfd, &id) == 0 &&
           place->sys->fstatat(place->parent_fd, place->name, &status, AT_SYMLINK_NOFOLLOW) == 0 &&
           status.st_ino == id;
}

/* To look into /proc/PID costs twice: what has been looked at there has to be forgotten by the
 * kernel when the process is reaped. */
bool cgroup_has_left(const Cgroup *cgroup, pid_t pid, int pidfd)
{
    CgroupPlace place = cgroup_place(cgroup);

    if (cgroup_place_holds(&place, pidfd))
        return false;
    g_autofree char *text = cgroup_place_ask(&place, pid);
    g_autofree char *path = text == NULL ? NULL : cgroup_path_parse(text);

    return path != NULL && !cgroup_place_shows(&place, path);
}

bool cgroup_has(const Cgroup *cgroup, pid_t pid)
{
    CgroupPlace place = cgroup_place(cgroup);

    return cgroup_place_has(&place, pid);
}

typedef struct CgroupFind {
    pid_t not_pid;
    pid_t found;
} CgroupFind;

static bool on_cgroup_find(pid_t pid, void *data)
{
    CgroupFind *find = data;

    if (pid != find->not_pid)
        find->found = pid;
    return find->found == 0;
}

pid_t cgroup_place_find(const CgroupPlace *place, pid_t not_pid)
{
    CgroupFind find = {.not_pid = not_pid};

    if (cgroup_place_walk(place, "cgroup.procs", on_cgroup_find, &find))
        errno = 0;
    return find.found;
}

pid_t cgroup_find_member(const Cgroup *cgroup, pid_t not_pid)
{
    CgroupPlace place = cgroup_place(cgroup);

    return cgroup_place_find(&place, not_pid);
}

static bool on_cgroup_count(pid_t pid, void *data)
{
    ++*(uint64_t *)data;
    return true;
}

uint64_t cgroup_count(const Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);
    uint64_t n = 0;

    (void)cgroup_place_walk(&place, "cgroup.procs", on_cgroup_count,
                            &n); /* as many as there were */
    return n;
}

typedef struct CgroupList {
    pid_t *pids;
    size_t n, max;
} CgroupList;

static bool on_cgroup_list(pid_t pid, void *data)
{
    CgroupList *list = data;

    list->pids[list->n++] = pid;
    return list->n < list->max;
}

size_t cgroup_list(const Cgroup *cgroup, pid_t *ret_pids, size_t max)
{
    CgroupPlace place = cgroup_place(cgroup);
    CgroupList list = {.pids = ret_pids, .max = max};

    if (max > 0)
        (void)cgroup_place_walk(&place, "cgroup.procs", on_cgroup_list, &list); /* what there is */
    return list.n;
}

/* Signals */

typedef struct CgroupSending {
    const CgroupPlace *place;
    const CgroupSignal *signal;
    GHashTable *seen;
    unsigned n_new; /* in this pass */
    CgroupReached reached;
} CgroupSending;

static bool cgroup_send_one(const CgroupSending *sending, pid_t pid)
{
    const Sys *sys = sending->place->sys;
    autofd int pidfd = sys->pidfd_open(pid, 0);
    bool ok = pidfd >= 0 && cgroup_place_has(sending->place, pid) &&
              sys->pidfd_send_signal(pidfd, sending->signal->signo, NULL, 0) == 0;

    if (ok && sending->signal->continues)
        (void)sys->pidfd_send_signal(pidfd, SIGCONT, NULL, 0); /* dead already: as well */
    return ok;
}

static bool on_cgroup_send(pid_t pid, void *data)
{
    CgroupSending *sending = data;

    if (pid == sending->signal->not_pid) {
        sending->reached.has_not_pid = true;
        return true;
    }
    if (!g_hash_table_add(sending->seen, GINT_TO_POINTER(pid)))
        return true;
    sending->n_new++;
    sending->reached.n += cgroup_send_one(sending, pid);
    return true;
}

/* False and errno: the list could not be read, or had somebody new each time. */
static bool cgroup_place_send(const CgroupPlace *place, const CgroupSignal *signal,
                              CgroupReached *ret_reached)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(NULL, NULL);
    CgroupSending sending = {.place = place, .signal = signal, .seen = seen};
    bool can_read = true, has_new = true;

    for (unsigned i = 0; i < CGROUP_PASSES && can_read && has_new; i++) {
        sending.n_new = 0;
        can_read = cgroup_place_walk(place, "cgroup.procs", on_cgroup_send, &sending);
        has_new = sending.n_new > 0;
    }
    *ret_reached = sending.reached;
    if (can_read && has_new)
        errno = EAGAIN;
    return can_read && !has_new;
}

bool cgroup_send(Cgroup *cgroup, const CgroupSignal *signal, CgroupReached *ret_reached)
{
    CgroupPlace place = cgroup_place(cgroup);

    return cgroup_place_send(&place, signal, ret_reached);
}

unsigned cgroup_signal(Cgroup *cgroup, int signo)
{
    CgroupSignal signal = {.signo = signo};
    CgroupReached reached;

    (void)cgroup_send(cgroup, &signal, &reached); /* as many as there were */
    return reached.n;
}

/* Before Linux 5.14. Frozen, they do not fork; they can still be killed. */
static bool cgroup_place_kill_each(const CgroupPlace *place)
{
    CgroupSignal signal = {.signo = SIGKILL};
    CgroupReached reached;

    (void)cgroup_place_write(place, "cgroup.freeze", "1"); /* helps, but may be missing */
    bool ok = cgroup_place_send(place, &signal, &reached);
    int saved = errno;
    (void)cgroup_place_write(place, "cgroup.freeze", "0");
    errno = saved;
    return ok;
}

bool cgroup_place_kill(const CgroupPlace *place)
{
    if (cgroup_place_write(place, "cgroup.kill", "1"))
        return true;
    return (errno == ENOENT || errno == EOPNOTSUPP) && cgroup_place_kill_each(place);
}

bool cgroup_kill(Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);

    if (cgroup_place_kill(&place))
        return true;
    if (!cgroup_tree_give_spare(cgroup->tree, errno))
        return false;
    bool ok = cgroup_place_kill(&place);
    cgroup_tree_take_spare(cgroup->tree);
    return ok;
}

/* What was asked for, since who is asked to freeze may take its time. Before Linux 5.2 nobody can
 * ask for it. */
static bool cgroup_may_be_frozen(const CgroupPlace *place)
{
    autofd int fd = cgroup_place_open(place, "cgroup.freeze");
    char value;

    if (fd < 0)
        return errno != ENOENT;
    return sys_read(place->sys, fd, &value, sizeof value) != 1 || value != '0';
}

/* To write takes the lock of all cgroups, to look does not. */
void cgroup_thaw(Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);

    if (cgroup_may_be_frozen(&place)) /* SIGKILL comes through in any case */
        (void)cgroup_place_write(&place, "cgroup.freeze", "0");
}
