/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's text files are small and read whole, except the environment, which is as long as its
 * owner likes. */

#include "process/proc.h"

#include "base/fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PROC_STAT_BYTES 1024
#define PROC_KERNEL_THREAD 0x00200000 /* of the flags in stat; such a one has no memory */
#define PROC_LIMITS_BYTES 4096
#define PROC_STATUS_BYTES 4096
#define PROC_ENVIRON_BYTES (16 * 1024)
#define PROC_GENERATIONS 32
#define PROC_ANCESTORS_MAX 64
#define PROC_CHILDREN_BYTES 4096
/* More cannot be looked through in one turn of the loop. */
#define PROC_PROCESSES_MAX 65536
/* Entries of 24 bytes, for a portion of the processes. */
#define PROC_WALK_BYTES 4096

/* What there is of the file up to size bytes; negative if it cannot be read. */
static ssize_t proc_read(const Sys *sys, pid_t pid, const char *name, char *buffer, size_t size)
{
    char path[64];
    size_t length = 0;
    ssize_t n = 0;

    (void)g_snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    autofd int fd = sys_open(sys, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    while (length < size && (n = sys_read(sys, fd, buffer + length, size - length)) > 0)
        length += (size_t)n;
    return n < 0 ? -1 : (ssize_t)length;
}

/* The name of the program stands in parentheses, and may hold everything. A thread group whose
 * first thread has ended looks like a zombie, but has more threads than that one. */
bool proc_stat_parse(const char *text, size_t length, ProcStat *ret_stat)
{
    char line[PROC_STAT_BYTES + 1], state;
    int parent, group, session;
    uint64_t start_time, ticks[4];
    unsigned flags;
    long n_threads;

    length = MIN(length, PROC_STAT_BYTES);
    memcpy(line, text, length);
    line[length] = '\0';

    const char *rest = strrchr(line, ')');
    if (rest == NULL || sscanf(rest,
                               ") %c %d %d %d %*s %*s %u %*s %*s %*s %*s %" SCNu64 " %" SCNu64
                               " %" SCNu64 " %" SCNu64 " %*s %*s %ld %*s %" SCNu64,
                               &state, &parent, &group, &session, &flags, &ticks[0], &ticks[1],
                               &ticks[2], &ticks[3], &n_threads, &start_time) != 11)
        return false;
    *ret_stat = (ProcStat){
            .parent = parent,
            .group = group,
            .session = session,
            .start_time = start_time,
            .cpu_ticks = ticks[0] + ticks[1] + ticks[2] + ticks[3],
            .n_threads = (uint64_t)MAX(n_threads, 0),
            .is_dead = (state == 'Z' || state == 'X') && n_threads <= 1,
            .is_stuck = state == 'D' && (flags & PROC_KERNEL_THREAD) == 0,
    };
    return true;
}

bool proc_read_stat(const Sys *sys, pid_t pid, ProcStat *ret_stat)
{
    char text[PROC_STAT_BYTES];
    ssize_t length = proc_read(sys, pid, "stat", text, sizeof text);

    if (length < 0)
        return false;
    errno = EBADMSG;
    return proc_stat_parse(text, (size_t)length, ret_stat);
}

typedef struct ProcThreads {
    const Sys *sys;
    bool are_stuck;
} ProcThreads;

static void on_proc_thread(pid_t tid, void *data)
{
    ProcThreads *threads = data;
    ProcStat stat;

    if (!threads->are_stuck && proc_read_stat(threads->sys, tid, &stat))
        threads->are_stuck = stat.is_stuck;
}

bool proc_is_stuck(const Sys *sys, pid_t pid)
{
    ProcThreads threads = {.sys = sys};
    char path[64];
    ProcStat stat = {0};

    if (!proc_read_stat(sys, pid, &stat) || stat.is_stuck || stat.n_threads <= 1)
        return stat.is_stuck;
    (void)g_snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    autofd int fd = sys_open(sys, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd >= 0)
        (void)proc_walk(sys, fd, on_proc_thread, &threads); /* the first portion */
    return threads.are_stuck;
}

bool proc_descends_from(const Sys *sys, pid_t pid, pid_t ancestor)
{
    pid_t self = getpid();

    for (unsigned i = 0; i < PROC_GENERATIONS && pid > 1 && pid != self; i++) {
        ProcStat stat;

        if (!proc_read_stat(sys, pid, &stat))
            return false;
        if (stat.parent == ancestor)
            return true;
        pid = stat.parent;
    }
    return false;
}

char *proc_read_environ(const Sys *sys, pid_t pid, size_t *ret_length)
{
    g_autofree char *text = g_malloc(PROC_ENVIRON_BYTES + 1);
    ssize_t length = proc_read(sys, pid, "environ", text, PROC_ENVIRON_BYTES);

    if (length < 0)
        return NULL;
    text[length] = '\0';
    *ret_length = (size_t)length;
    return g_steal_pointer(&text);
}

const char *proc_environ_find(const char *text, size_t length, const char *name)
{
    size_t size = strlen(name);

    for (const char *at = text, *end = text + length; at < end; at += strlen(at) + 1) {
        if (strncmp(at, name, size) == 0 && at[size] == '=')
            return at + size + 1;
    }
    return NULL;
}

/* What was cut off at the end of the buffer is no variable. */
bool proc_environ_has(const Sys *sys, pid_t pid, const char *variable)
{
    size_t length = 0;
    g_autofree char *text = proc_read_environ(sys, pid, &length);

    for (const char *at = text, *end = text + length; at < end; at += strlen(at) + 1) {
        if (at + strlen(at) < end && strcmp(at, variable) == 0)
            return true;
    }
    return false;
}

static bool proc_parse_limit(const char *word, uint64_t *ret_limit)
{
    char *end;

    *ret_limit =
            strcmp(word, "unlimited") == 0 ? RLIM64_INFINITY : g_ascii_strtoull(word, &end, 10);
    return *ret_limit == RLIM64_INFINITY || (end > word && *end == '\0');
}

static bool proc_read_locks_line(const Sys *sys, pid_t pid, struct rlimit64 *ret_limit)
{
    static const char name[] = "\nMax file locks";
    char text[PROC_LIMITS_BYTES + 1], soft[24], hard[24];
    ssize_t length = proc_read(sys, pid, "limits", text, PROC_LIMITS_BYTES);
    struct rlimit64 limit;

    if (length < 0)
        return false;
    text[length] = '\0';

    const char *line = strstr(text, name);
    if (line == NULL || sscanf(line + strlen(name), "%23s %23s", soft, hard) != 2 ||
        !proc_parse_limit(soft, &limit.rlim_cur) || !proc_parse_limit(hard, &limit.rlim_max))
        return false;
    *ret_limit = limit;
    return true;
}

/* /proc tells it to everybody, but is slower by far. */
bool proc_read_locks_limit(const Sys *sys, pid_t pid, struct rlimit64 *ret_limit)
{
    struct rlimit64 limit;

    if (sys->prlimit64(pid, RLIMIT_LOCKS, NULL, &limit) < 0)
        return errno != ESRCH && proc_read_locks_line(sys, pid, ret_limit);
    *ret_limit = limit;
    return true;
}

bool proc_read_resident(const Sys *sys, pid_t pid, uint64_t *ret_bytes)
{
    char line[128];
    ssize_t length = proc_read(sys, pid, "statm", line, sizeof line - 1);
    uint64_t pages;

    if (length < 0)
        return false;
    line[length] = '\0';
    errno = EBADMSG;
    if (sscanf(line, "%*s %" SCNu64, &pages) != 1)
        return false;
    *ret_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
    return true;
}

bool proc_read_uid(const Sys *sys, pid_t pid, uid_t *ret_uid)
{
    char text[PROC_STATUS_BYTES + 1];
    ssize_t length = proc_read(sys, pid, "status", text, PROC_STATUS_BYTES);
    unsigned uid;

    if (length < 0)
        return false;
    text[length] = '\0';

    const char *line = strstr(text, "\nUid:"); /* the real one, and the effective one */
    errno = EBADMSG;
    if (line == NULL || sscanf(line, "\nUid: %*u %u", &uid) != 1)
        return false;
    *ret_uid = uid;
    return true;
}

bool proc_read_comm(const Sys *sys, pid_t pid, char ret_comm[PROC_COMM_BYTES])
{
    char line[64];
    ssize_t length = proc_read(sys, pid, "comm", line, sizeof line - 1);

    if (length < 0)
        return false;
    if (length > 0 && line[length - 1] == '\n')
        length--;
    line[length] = '\0';
    g_strlcpy(ret_comm, line, PROC_COMM_BYTES);
    return true;
}

int proc_walk(const Sys *sys, int directory_fd, ProcWalkFunc func, void *data)
{
    union {
        struct dirent64 alignment;
        char bytes[PROC_WALK_BYTES];
    } buffer;
    ssize_t n = sys->getdents64(directory_fd, buffer.bytes, sizeof buffer.bytes);

    if (n < 0)
        return -errno;
    for (ssize_t at = 0; at < n;) {
        const struct dirent64 *entry = (const void *)(buffer.bytes + at);
        pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10); /* 0: not a process */

        at += entry->d_reclen;
        if (pid > 0)
            func(pid, data);
    }
    return n > 0;
}

bool proc_read_children(const Sys *sys, GArray *pids)
{
    autofd int fd = sys_open(sys, "/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    char buffer[PROC_CHILDREN_BYTES];
    pid_t pid = 0;
    ssize_t n = 0;

    /* A number may begin in one portion and end in the next. */
    while (fd >= 0 && (n = sys_read(sys, fd, buffer, sizeof buffer)) > 0) {
        for (ssize_t i = 0; i < n; i++) {
            if (g_ascii_isdigit(buffer[i])) {
                pid = pid * 10 + (buffer[i] - '0');
            } else if (pid > 0) {
                g_array_append_val(pids, pid);
                pid = 0;
            }
        }
    }
    return fd >= 0 && n == 0;
}

static void on_proc_listed(pid_t pid, void *data)
{
    GArray *pids = data;

    g_array_append_val(pids, pid);
}

bool proc_read_all(const Sys *sys, GArray *pids)
{
    autofd int fd = sys_open(sys, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = -1;

    if (fd < 0)
        return false;
    while ((r = proc_walk(sys, fd, on_proc_listed, pids)) > 0)
        ;
    errno = -r;
    return r == 0;
}

GArray *proc_list_ancestors(const Sys *sys)
{
    GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
    pid_t pid = getpid();
    ProcStat stat;

    while (pid > 1 && pids->len < PROC_ANCESTORS_MAX) {
        g_array_append_val(pids, pid);
        if (!proc_read_stat(sys, pid, &stat))
            break;
        pid = stat.parent;
    }
    return pids;
}

typedef struct ProcSurvey {
    const Sys *sys;
    pid_t group;
    unsigned n_processes;
    unsigned n_dead; /* of the group */
    bool lives;      /* a member of it, or nobody knows */
} ProcSurvey;

/* Cheap, and so of nearly all. */
static bool proc_is_of_another(const ProcSurvey *survey, pid_t pid)
{
    pid_t group = survey->sys->getpgid(pid);

    return group >= 0 ? group != survey->group : errno == ESRCH;
}

static void on_proc_survey(pid_t pid, void *data)
{
    ProcSurvey *survey = data;
    ProcStat stat;

    if (survey->lives)
        return;
    if (++survey->n_processes > PROC_PROCESSES_MAX)
        survey->lives = true;
    else if (proc_is_of_another(survey, pid))
        return;
    else if (!proc_read_stat(survey->sys, pid, &stat))
        survey->lives = errno != ENOENT && errno != ESRCH; /* else it is gone meanwhile */
    else if (stat.group == survey->group && stat.is_dead)
        survey->n_dead++;
    else if (stat.group == survey->group)
        survey->lives = true;
}

bool proc_group_is_dead(const Sys *sys, pid_t group)
{
    ProcSurvey survey = {.sys = sys, .group = group};
    autofd int fd = sys_open(sys, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = -1;

    while (fd >= 0 && !survey.lives && (r = proc_walk(sys, fd, on_proc_survey, &survey)) > 0)
        ;
    return r == 0 && !survey.lives && survey.n_dead > 0;
}
