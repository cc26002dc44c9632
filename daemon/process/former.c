/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Passes over /proc, until one finds nobody who is not known already: who is asked to end may fork
 * before he does. Between the passes it only waits for deaths, on the descriptors of those whom it
 * follows. When there are more of them than it may have descriptors, the others get their signals
 * all the same, and are found again by the pass that comes when all who are followed are dead.
 *
 * A process is judged by what it was started with twice, before and after its descriptor was
 * opened: only then it is sure that the signal goes to the one that was looked at. */

#include "process/former.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"
#include "process/former-internal.h"
#include "process/host-internal.h"
#include "process/proc.h"
#include "process/run-mark.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define FORMER_FOLLOWED_MAX 256
#define FORMER_KILL_USEC (2 * USEC_PER_SEC)
#define FORMER_RETRY_USEC (100 * USEC_PER_MSEC)
#define FORMER_NAMED_MAX 8 /* of those that are left, in one text */

typedef enum FormerPhase {
    FORMER_ASK,   /* SIGTERM */
    FORMER_KILL,  /* SIGKILL */
    FORMER_COUNT, /* one pass more, for the names of those that are left */
    FORMER_DONE,
} FormerPhase;

typedef struct FormerTally {
    FormerService public;
    GString *left; /* "12 (cat), 13 (dog)" */
} FormerTally;

typedef struct FormerProcess {
    Former *former;
    FormerTally *tally;
    pid_t pid;
    int pidfd; /* -1: not followed */
    Watch *watch;
    bool was_killed;
} FormerProcess;

struct Former {
    ProcessHost *host;
    char *prefix;
    uint64_t mark;
    FormerDone done;
    void *data;

    FormerPhase phase;
    Timer *deadline; /* of the phase */
    Timer *turn;     /* of the pass */
    Timer *retry;    /* of a pass that has met somebody stuck */
    GArray *spared;  /* of pid_t */

    GHashTable *in_cgroups; /* as the pass began */
    int directory_fd;       /* of the pass; -1: none is under way */
    bool pass_again;        /* something has changed since it began */
    bool was_quiet;         /* the pass before found nobody */
    unsigned n_new;         /* in this pass: now followed */
    unsigned n_overflow;    /* signalled, but not followed because others are */
    unsigned n_refused;     /* cannot be followed or signalled at all */
    pid_t stuck_pid;        /* one of whom it cannot be known whether he is to be ended; 0: none */

    GHashTable *processes; /* pid -> FormerProcess: found, and not seen to die */
    unsigned n_followed;
    GPtrArray *tallies;        /* of FormerTally */
    GHashTable *tallies_by_id; /* "": of those without */
    GError *error;
};

static void former_begin_pass(Former *former);

/* Who is not to be ended */

static bool former_is_spared(const Former *former, pid_t pid)
{
    for (unsigned i = 0; i < former->spared->len; i++) {
        if (g_array_index(former->spared, pid_t, i) == pid)
            return true;
    }
    return pid <= 1;
}

/* *ret_id is its service, or NULL. */
static bool former_recognise_environment(const Former *former, pid_t pid, char **ret_id)
{
    size_t length = 0;
    g_autofree char *text = proc_read_environ(former->host->sys, pid, &length);

    if (text == NULL)
        return false;

    const char *invocation = proc_environ_find(text, length, "INVOCATION_ID");
    const char *id = proc_environ_find(text, length, "SVCMGR_ID");
    if (invocation == NULL || !g_str_has_prefix(invocation, former->prefix))
        return false;
    *ret_id = id != NULL && parse_id(id, NULL) ? g_strdup(id) : NULL;
    return true;
}

/* Only in the session that a program was started in: whoever has left that, and has another
 * environment, is somebody who has logged in rather than a part of the service. */
static bool former_recognise_session(const Former *former, pid_t pid, const RunMark *mark)
{
    ProcStat stat;

    return mark->kind == RUN_MARK_OURS && proc_read_stat(former->host->sys, pid, &stat) &&
           !stat.is_dead && stat.session == mark->session;
}

/* The mark and the cgroup are asked first. The environment says whose it is where they do not; it
 * is not read of who is stuck, for that would get the loop stuck too. Who then has nothing but the
 * mark is looked at again. */
static bool former_recognise(Former *former, pid_t pid, char **ret_id)
{
    const Sys *sys = former->host->sys;
    RunMark mark = run_mark_read(sys, former->mark, pid);
    g_autofree char *id = NULL;
    bool is_ours = former_cgroup_has(former->host, former->in_cgroups, pid, &id) ||
                   former_recognise_session(former, pid, &mark);
    bool is_stuck = id == NULL && proc_is_stuck(sys, pid);

    if (id == NULL && !is_stuck && former_recognise_environment(former, pid, &id))
        is_ours = true;
    else if (is_stuck && !is_ours && mark.kind == RUN_MARK_OURS)
        former->stuck_pid = pid;
    if (is_ours)
        *ret_id = g_steal_pointer(&id);
    return is_ours;
}

/* Tallies */

static void former_tally_free(void *data)
{
    FormerTally *tally = data;

    g_free((char *)tally->public.id);
    g_free((char *)tally->public.text);
    g_string_free(tally->left, TRUE);
    g_free(tally);
}

static FormerTally *former_tally(Former *former, const char *id)
{
    const char *key = id != NULL ? id : "";
    FormerTally *tally = g_hash_table_lookup(former->tallies_by_id, key);

    if (tally != NULL)
        return tally;
    tally = g_new0(FormerTally, 1);
    tally->public.id = g_strdup(id);
    tally->left = g_string_new(NULL);
    g_ptr_array_add(former->tallies, tally);
    g_hash_table_insert(former->tallies_by_id, g_strdup(key), tally);
    return tally;
}

static void former_count_left(Former *former, pid_t pid, const char *id)
{
    const FormerProcess *process = g_hash_table_lookup(former->processes, GINT_TO_POINTER(pid));
    FormerTally *tally = former_tally(former, id);
    char comm[PROC_COMM_BYTES];

    if (!proc_read_comm(former->host->sys, pid, comm))
        return; /* ended at the last moment */
    tally->public.n_found += process == NULL;
    tally->public.n_killed -= process != NULL && process->was_killed && process->tally == tally;
    tally->public.n_left++;
    if (id != NULL)
        former_left_add(former->host, id, pid);
    if (tally->public.n_left <= FORMER_NAMED_MAX)
        g_string_append_printf(tally->left, "%s%d (%s)", tally->left->len > 0 ? ", " : "", (int)pid,
                               comm);
    else if (tally->public.n_left == FORMER_NAMED_MAX + 1)
        g_string_append(tally->left, ", ...");
}

/* "3 processes of the former run ended, 1 of them by force; 1 still there: 12 (cat)" */
static char *former_describe(unsigned n_found, unsigned n_killed, unsigned n_left, const char *left)
{
    GString *text = g_string_new(NULL);
    unsigned n_ended = n_found - MIN(n_found, n_left);

    g_string_append_printf(text, "%u process%s of the former run ended", n_ended,
                           n_ended == 1 ? "" : "es");
    if (n_killed > 0)
        g_string_append_printf(text, ", %u of them by force", n_killed);
    if (n_left > 0)
        g_string_append_printf(text, "; %u still there: %s", n_left, left);
    return g_string_free(text, FALSE);
}

static void former_report(Former *former)
{
    g_autoptr(GArray) services = g_array_new(FALSE, FALSE, sizeof(FormerService));
    g_autoptr(GString) left = g_string_new(NULL);
    g_autofree char *text = NULL;
    FormerReport report = {.error = former->error};

    for (unsigned i = 0; i < former->tallies->len; i++) {
        FormerTally *tally = g_ptr_array_index(former->tallies, i);
        FormerService *service = &tally->public;

        service->text = former_describe(service->n_found, service->n_killed, service->n_left,
                                        tally->left->str);
        report.n_found += service->n_found;
        report.n_killed += service->n_killed;
        report.n_left += service->n_left;
        if (tally->left->len > 0)
            g_string_append_printf(left, "%s%s", left->len > 0 ? ", " : "", tally->left->str);
        g_array_append_vals(services, service, 1);
    }
    if (report.n_found > 0)
        report.text = text =
                former_describe(report.n_found, report.n_killed, report.n_left, left->str);
    report.services = (const FormerService *)(const void *)services->data;
    report.n_services = services->len;
    former->done(&report, former->data);
}

/* Processes */

static void former_unfollow(FormerProcess *process)
{
    if (process->pidfd < 0)
        return;
    watch_free(process->watch);
    process->pidfd = fd_close(process->pidfd);
    process->former->n_followed--;
}

static void former_process_free(void *data)
{
    former_unfollow(data);
    g_free(data);
}

/* Its number is free from now on. */
static void on_former_death(uint32_t events, void *data)
{
    FormerProcess *process = data;
    Former *former = process->former;

    (void)g_hash_table_remove(former->processes, GINT_TO_POINTER(process->pid));
    if (former->directory_fd >= 0)
        former->pass_again = true; /* it may have left a child where the pass has been already */
    else if (former->n_followed == 0)
        former_begin_pass(former);
}

static bool former_follow(Former *former, FormerProcess *process, int *pidfd)
{
    process->watch = watch_new(former->host->watches, *pidfd, EPOLLIN, WATCH_PRIORITY_NORMAL,
                               on_former_death, process);
    if (process->watch == NULL)
        return false;
    process->pidfd = fd_steal(pidfd);
    former->n_followed++;
    return true;
}

/* A stopped process gets its signal only when it goes on. False: it cannot be signalled. */
static bool former_signal(FormerProcess *process, int pidfd)
{
    Former *former = process->former;
    const Sys *sys = former->host->sys;
    bool by_force = former->phase == FORMER_KILL;

    if (sys->pidfd_send_signal(pidfd, by_force ? SIGKILL : SIGTERM, NULL, 0) < 0)
        return errno == ESRCH;                             /* dead: all that is wanted */
    (void)sys->pidfd_send_signal(pidfd, SIGCONT, NULL, 0); /* went well a moment ago */
    if (by_force && !process->was_killed) {
        process->was_killed = true;
        process->tally->public.n_killed++;
    }
    return true;
}

static FormerProcess *former_add(Former *former, pid_t pid, const char *id)
{
    FormerProcess *process = g_hash_table_lookup(former->processes, GINT_TO_POINTER(pid));

    if (process != NULL)
        return process;
    process = g_new(FormerProcess, 1);
    *process = (FormerProcess){
            .former = former, .tally = former_tally(former, id), .pid = pid, .pidfd = -1};
    process->tally->public.n_found++;
    g_hash_table_insert(former->processes, GINT_TO_POINTER(pid), process);
    return process;
}

static void former_end(Former *former, pid_t pid, const char *id)
{
    autofd int pidfd = former->host->sys->pidfd_open(pid, 0);
    int errno_value = errno;
    g_autofree char *checked_id = NULL;

    if (pidfd < 0 && (errno_value == ESRCH || errno_value == EINVAL))
        return; /* gone, or only a thread by now */
    if (pidfd >= 0 && !former_recognise(former, pid, &checked_id))
        return; /* its number is somebody else's by now */

    FormerProcess *process = former_add(former, pid, id);
    if (pidfd < 0 || !former_signal(process, pidfd))
        former->n_refused++;
    else if (former->n_followed >= FORMER_FOLLOWED_MAX)
        former->n_overflow++;
    else if (former_follow(former, process, &pidfd))
        former->n_new++;
    else
        former->n_refused++;
}

static void on_former_process(pid_t pid, void *data)
{
    Former *former = data;
    FormerProcess *process = g_hash_table_lookup(former->processes, GINT_TO_POINTER(pid));
    g_autofree char *id = NULL;

    if ((process != NULL && process->pidfd >= 0) || former_is_spared(former, pid) ||
        !former_recognise(former, pid, &id))
        return;
    if (former->phase == FORMER_COUNT)
        former_count_left(former, pid, id);
    else
        former_end(former, pid, id);
}

/* Passes */

static void former_finish(Former *former)
{
    former->phase = FORMER_DONE;
    timer_disarm(former->deadline);
    timer_disarm(former->retry);
    if (former->stuck_pid != 0 && former->error == NULL)
        error_set(&former->error, ERROR_FAILED,
                  "process %d may be of it; it is stuck in the kernel, and cannot be looked at",
                  (int)former->stuck_pid);

    unsigned n_left = former_cgroup_clear(former->host);
    if (n_left > 0 && former->error == NULL)
        error_set(&former->error, ERROR_FAILED, "%u cgroup%s of the former run cannot be removed",
                  n_left, n_left == 1 ? "" : "s");
    former_report(former);
}

static void former_begin_count(Former *former)
{
    GHashTableIter iter;
    void *process;

    former->phase = FORMER_COUNT;
    timer_disarm(former->deadline);
    g_hash_table_iter_init(&iter, former->processes);
    while (g_hash_table_iter_next(&iter, NULL, &process))
        former_unfollow(process);
    former_begin_pass(former);
}

/* In the middle of an exec a process has no environment: that nobody is left is believed at the
 * second look. */
static void former_end_quiet_pass(Former *former)
{
    if (former->tallies->len == 0 || former->was_quiet) {
        former_finish(former);
        return;
    }
    former->was_quiet = true;
    former_begin_pass(former);
}

/* Without anybody to wait for, and nothing to be hoped from another pass, there is the deadline. */
static void former_end_pass(Former *former)
{
    bool is_alone = former->n_followed == 0;
    bool is_again = former->pass_again || (former->n_new > 0 && former->n_overflow == 0);
    bool is_quiet = !is_again && is_alone && former->n_refused == 0 && former->stuck_pid == 0;

    former->directory_fd = fd_close(former->directory_fd);
    if (former->phase == FORMER_COUNT) {
        former_finish(former);
    } else if (is_quiet) {
        former_end_quiet_pass(former);
    } else {
        former->was_quiet = false;
        if (is_again)
            former_begin_pass(former);
        else if (former->stuck_pid != 0)
            timer_arm(former->retry,
                      usec_add(clock_monotonic_usec(former->host->clock), FORMER_RETRY_USEC));
    }
}

static void on_former_turn(void *data)
{
    Former *former = data;
    int r = proc_walk(former->host->sys, former->directory_fd, on_former_process, former);

    if (r < 0 && former->error == NULL)
        error_set_errno(&former->error, r, "cannot list the processes");
    if (r > 0)
        timer_arm(former->turn, clock_monotonic_usec(former->host->clock));
    else
        former_end_pass(former);
}

static void former_begin_pass(Former *former)
{
    const Sys *sys = former->host->sys;

    former->pass_again = false;
    former->n_new = former->n_overflow = former->n_refused = 0;
    former->stuck_pid = 0;
    former->directory_fd = fd_close(former->directory_fd);
    if (!former_cgroup_list(former->host, former->in_cgroups) && former->error == NULL)
        error_set_errno(&former->error, errno, "cannot look into the cgroups of the former run");
    former->directory_fd = sys_open(sys, "/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (former->directory_fd < 0 && former->error == NULL)
        error_set_errno(&former->error, errno, "cannot look for processes of the former run");
    timer_arm(former->turn, clock_monotonic_usec(former->host->clock));
}

static void on_former_retry(void *data)
{
    Former *former = data;

    if (former->directory_fd < 0)
        former_begin_pass(former);
}

static void former_begin_kill(Former *former)
{
    GHashTableIter iter;
    void *data;

    former->phase = FORMER_KILL;
    timer_arm(former->deadline,
              usec_add(clock_monotonic_usec(former->host->clock), FORMER_KILL_USEC));
    g_hash_table_iter_init(&iter, former->processes);
    while (g_hash_table_iter_next(&iter, NULL, &data)) {
        FormerProcess *process = data;

        if (process->pidfd >= 0)
            (void)former_signal(process, process->pidfd); /* seen when all are counted */
    }
    /* Those that are not followed. */
    if (former->directory_fd < 0)
        former_begin_pass(former);
    else
        former->pass_again = true;
}

static void on_former_deadline(void *data)
{
    Former *former = data;

    if (former->phase == FORMER_ASK)
        former_begin_kill(former);
    else
        former_begin_count(former);
}

Former *former_sweep(ProcessHost *host, const char *prefix, uint64_t grace_usec, FormerDone done,
                     void *data)
{
    Former *former = g_new(Former, 1);

    g_assert(*prefix != '\0');
    *former = (Former){
            .host = host,
            .prefix = g_strdup(prefix),
            .mark = process_host_mark(prefix),
            .done = done,
            .data = data,
            .phase = FORMER_ASK,
            .deadline = timer_new(host->timers, on_former_deadline, former),
            .turn = timer_new(host->timers, on_former_turn, former),
            .retry = timer_new(host->timers, on_former_retry, former),
            .spared = proc_list_ancestors(host->sys),
            .in_cgroups = former_cgroup_new(),
            .directory_fd = -1,
            .processes = g_hash_table_new_full(NULL, NULL, NULL, former_process_free),
            .tallies = g_ptr_array_new_with_free_func(former_tally_free),
            .tallies_by_id = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL),
    };
    timer_arm(former->deadline, usec_add(clock_monotonic_usec(host->clock), grace_usec));
    former_begin_pass(former);
    return former;
}

void former_free(Former *former)
{
    if (former == NULL)
        return;
    timer_free(former->deadline);
    timer_free(former->turn);
    timer_free(former->retry);
    g_array_unref(former->spared);
    g_hash_table_unref(former->in_cgroups);
    former->directory_fd = fd_close(former->directory_fd);
    g_hash_table_unref(former->processes);
    g_hash_table_unref(former->tallies_by_id);
    g_ptr_array_unref(former->tallies);
    g_clear_error(&former->error);
    g_free(former->prefix);
    g_free(former);
}
