/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What comes from the kernel by itself, and what everything that runs programs stands on. Signals
 * are there before the first hook, so that a launch can be ended at every moment. */

#include "base/errors.h"
#include "base/log.h"
#include "units/manager.h"
#include "units/units.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

/* Enough for what services there may be (options: max_services is 10,000 at first), each with a
 * descriptor for its main process and two for its output, and for who asks. */
#define HOST_DESCRIPTORS ((rlim_t)256 * 1024)

static void on_host_end_signal(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;
    g_autofree char *reason = g_strdup_printf("SIG%s from process %" G_GUINT32_FORMAT,
                                              sigabbrev_np(signo), sender_pid);

    group_stop(daemon->group, reason);
}

/* What comes too early or too late ends the daemon: there is nothing to reload or to stay for. */
static void on_host_quit_signal(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;

    if (daemon->is_ready && group_phase(daemon->group) == GROUP_PHASE_SERVE)
        services_unit_quit(daemon);
    else
        on_host_end_signal(signo, sender_pid, data);
}

static void on_host_reload_signal(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;

    if (daemon->is_ready && !daemon->is_quitting && group_phase(daemon->group) == GROUP_PHASE_SERVE)
        definitions_unit_reload_by_signal(daemon);
    else
        log_warning("SIGHUP from process %" G_GUINT32_FORMAT ": nothing is reloaded now",
                    sender_pid);
}

static void on_host_sigchld(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;

    if (daemon->host != NULL)
        process_host_on_sigchld(daemon->host);
}

static bool host_add_signals(Daemon *daemon, GError **error)
{
    static const struct {
        int signo;
        LoopSignalFunc func;
    } signals[] = {
            {SIGHUP, on_host_reload_signal}, {SIGQUIT, on_host_quit_signal},
            {SIGINT, on_host_end_signal},    {SIGTERM, on_host_end_signal},
            {SIGCHLD, on_host_sigchld},
    };

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return error_set_errno(error, errno, "cannot ignore SIGPIPE");
    /* A file that may grow no more is a write that fails, like a full disk. */
    if (signal(SIGXFSZ, SIG_IGN) == SIG_ERR)
        return error_set_errno(error, errno, "cannot ignore SIGXFSZ");
    /* Ignored by whoever started us, it would take the exit statuses of all children away. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return error_set_errno(error, errno, "cannot stop ignoring SIGCHLD");
    for (size_t i = 0; i < G_N_ELEMENTS(signals); i++) {
        if (!loop_add_signal(daemon->loop, signals[i].signo, signals[i].func, daemon, error))
            return false;
    }
    return true;
}

void host_run_signals(void *data)
{
    Daemon *daemon = data;
    g_autoptr(GError) error = NULL;

    (void)host_add_signals(daemon, &error); /* what went wrong is reported */
    group_hook_done(daemon->group, HOOK_STARTUP, "signals", error);
}

/* The daemon needs a few descriptors per service; programs get the limit that it was given (see
 * process/host.h). Who may goes beyond what is the most for others. */
static void host_raise_fd_limit(void)
{
    struct rlimit limit, higher;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    higher.rlim_cur = higher.rlim_max = MAX(limit.rlim_max, HOST_DESCRIPTORS);
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &higher) < 0 && setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("cannot raise the limit of descriptors: %s", g_strerror(errno));
}

ProcessHost *host_get(Daemon *daemon, GError **error)
{
    const char *runtime_dir = daemon->options.runtime_dir;
    ProcessHostOptions options = {
            .clock = loop_clock(daemon->loop),
            .timers = loop_timers(daemon->loop),
            .watches = loop_watches(daemon->loop),
            .random = random_system(),
            .runtime_dir = runtime_dir,
    };

    if (daemon->host != NULL)
        return daemon->host;
    if (g_mkdir_with_parents(runtime_dir, 0755) < 0) {
        error_set_errno(error, errno, "cannot make the runtime directory %s", runtime_dir);
        return NULL;
    }
    daemon->host = process_host_new(&options, error);
    if (daemon->host != NULL)
        host_raise_fd_limit();
    return daemon->host;
}

void host_free(Daemon *daemon)
{
    if (daemon->host == NULL || process_host_n_running(daemon->host) > 0)
        return;
    process_host_sweep(daemon->host); /* nobody else shall have to bury our dead */
    g_clear_pointer(&daemon->host, process_host_free);
}
