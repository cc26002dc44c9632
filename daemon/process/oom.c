/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The kernel's log, a record with each reading: "PRIORITY,NUMBER,TIME,FLAGS;TEXT" (the kernel's
 * Documentation/ABI/testing/dev-kmsg). When a process was chosen, the text ends in "Killed process
 * PID (COMM) total-vm:..."; PID is its number in the first pid namespace. Others may write to the
 * log too, but not as the kernel, whose facility is 0. */

#include "process/oom.h"

#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OOM_RECORD_BYTES 8192 /* no record is longer */
/* What one question reads at most: some milliseconds. */
#define OOM_RECORDS_MAX 8192
#define OOM_KILLS_MAX 256
#define OOM_PRIORITIES 8 /* of a facility */
/* The kernel's PROC_PID_INIT_INO, the same on all of them. */
#define OOM_FIRST_NAMESPACE "pid:[4026531836]"

struct OomLog {
    const Sys *sys;
    int fd;          /* -1: knows nothing */
    GArray *kills;   /* OomKill, the last ones */
    bool is_current; /* was read to its end when it was asked last */
};

static bool oom_is_in_first_namespace(void)
{
    char name[64];
    ssize_t n = readlink("/proc/self/ns/pid", name, sizeof name);

    return n == (ssize_t)strlen(OOM_FIRST_NAMESPACE) &&
           memcmp(name, OOM_FIRST_NAMESPACE, (size_t)n) == 0;
}

OomLog *oom_log_new(const Sys *sys)
{
    OomLog *log = g_new0(OomLog, 1);

    log->sys = sys;
    log->fd = oom_is_in_first_namespace()
                      ? sys_open(sys, "/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)
                      : -1;
    if (log->fd >= 0 && lseek(log->fd, 0, SEEK_END) < 0)
        log->fd = fd_close(log->fd);
    log->kills = g_array_new(FALSE, FALSE, sizeof(OomKill));
    return log;
}

void oom_log_free(OomLog *log)
{
    if (log == NULL)
        return;
    (void)fd_close(log->fd);
    g_array_unref(log->kills);
    g_free(log);
}

/* The log has "\xNN" for what is not printable, and for the backslash. */
static void oom_unescape(const char *text, const char *end, char ret_comm[OOM_COMM_BYTES])
{
    size_t n = 0;

    while (text < end && n < OOM_COMM_BYTES - 1) {
        bool is_escaped = end - text >= 4 && text[0] == '\\' && text[1] == 'x' &&
                          g_ascii_isxdigit(text[2]) && g_ascii_isxdigit(text[3]);

        ret_comm[n++] =
                is_escaped
                        ? (char)(g_ascii_xdigit_value(text[2]) * 16 + g_ascii_xdigit_value(text[3]))
                        : *text;
        text += is_escaped ? 4 : 1;
    }
    ret_comm[n] = '\0';
}

/* The name of a program may have any byte; what follows it has a colon with no blank before. */
bool oom_record_parse(const char *record, OomKill *ret_kill)
{
    static const char *const beginnings[] = {"Out of memory", "Memory cgroup out of memory",
                                             "Killed process "};
    const char *text = strchr(record, ';');
    char *end;
    bool begins = false;

    if (text == NULL || strtoul(record, NULL, 10) >= OOM_PRIORITIES)
        return false;
    text++;
    for (size_t i = 0; i < G_N_ELEMENTS(beginnings); i++)
        begins |= g_str_has_prefix(text, beginnings[i]);

    const char *killed = begins ? strstr(text, "Killed process ") : NULL;
    if (killed == NULL)
        return false;
    long pid = strtol(killed + strlen("Killed process "), &end, 10);
    const char *close = g_strrstr(end, ") total-vm:");
    if (pid <= 0 || pid > INT_MAX || !g_str_has_prefix(end, " (") || close == NULL ||
        close < end + 2)
        return false;
    ret_kill->pid = (pid_t)pid;
    oom_unescape(end + 2, close, ret_kill->comm);
    return true;
}

static void oom_log_keep(OomLog *log, const OomKill *kill)
{
    if (log->kills->len == OOM_KILLS_MAX)
        g_array_remove_index(log->kills, 0);
    g_array_append_val(log->kills, *kill);
}

/* EPIPE: records were overwritten before we read them; the next one is there. */
static void oom_log_read(OomLog *log)
{
    char record[OOM_RECORD_BYTES + 1];
    OomKill kill;

    log->is_current = false;
    for (unsigned i = 0; i < OOM_RECORDS_MAX; i++) {
        ssize_t n = sys_read(log->sys, log->fd, record, OOM_RECORD_BYTES);

        log->is_current = n < 0 && errno == EAGAIN;
        if (n == 0 || (n < 0 && errno != EPIPE))
            return;
        record[MAX(n, 0)] = '\0';
        if (oom_record_parse(record, &kill))
            oom_log_keep(log, &kill);
    }
}

bool oom_log_has_killed(OomLog *log, pid_t pid, const char *comm)
{
    if (log->fd >= 0)
        oom_log_read(log);
    for (unsigned i = 0; i < log->kills->len; i++) {
        const OomKill *kill = &g_array_index(log->kills, OomKill, i);

        if (kill->pid == pid && (comm == NULL || g_str_equal(kill->comm, comm)))
            return true;
    }
    return false;
}

bool oom_log_is_current(const OomLog *log)
{
    return log->is_current;
}
