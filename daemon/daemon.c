/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The two tables below are the daemon's table of contents: the hooks that come first and last, and
 * the units between them, in the order in which they are opened and, read backwards, closed.
 * Services are stopped before the bus is drained, so that whoever waits for the end of a service
 * hears of it; the bus goes before the core, which it watches; the database goes last. What each of
 * them does is in units/. */

#include "daemon.h"

#include "base/errors.h"
#include "base/log.h"
#include "base/random.h"
#include "run/services.h"
#include "units/manager.h"
#include "units/units.h"

#include <fcntl.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define DAEMON_NAME "svcmgrd"
/* What is beside the services' own time at the end: answers, hooks, the database. */
#define DAEMON_STOP_MARGIN_USEC (4 * USEC_PER_SEC)

static const struct {
    HookMoment moment;
    const char *name;
    int priority;
    void (*run)(void *data);
} daemon_hooks[] = {
        {HOOK_STARTUP, "signals", HOOK_PRIORITY_MIN, host_run_signals},
        {HOOK_STARTUP, "lock", HOOK_PRIORITY_MIN, state_run_lock},
        {HOOK_STARTUP, "pid-file", HOOK_PRIORITY_MIN, state_run_pid_file},
        {HOOK_SHUTDOWN, "pid-file", HOOK_PRIORITY_MAX, state_run_remove},
};

static const Unit daemon_units[] = {
        {.name = "options", .options = options_group, .validate = options_validate},
        {.name = "hooks", .validate = hooks_unit_validate},
        {.name = "state", .pre_run = state_pre_run, .undo = state_undo},
        {.name = "core", .pre_run = core_pre_run, .undo = core_undo},
        {.name = "former", .serve = former_unit_serve, .stop = former_unit_stop},
        {.name = "bus",
         .pre_run = bus_unit_pre_run,
         .serve = bus_unit_serve,
         .stop = bus_unit_stop,
         .undo = bus_unit_undo},
        {.name = "services",
         .pre_run = services_unit_pre_run,
         .stop = services_unit_stop,
         .force = services_unit_force,
         .undo = services_unit_undo},
};

static void daemon_register(Daemon *daemon)
{
    for (size_t i = 0; i < G_N_ELEMENTS(daemon_units); i++) {
        Unit unit = daemon_units[i];

        unit.data = unit.options != NULL ? (void *)&daemon->options : daemon;
        (void)group_register(daemon->group, &unit); /* each takes part */
    }
    for (size_t i = 0; i < G_N_ELEMENTS(daemon_hooks); i++) {
        Hook hook = {.name = daemon_hooks[i].name,
                     .priority = daemon_hooks[i].priority,
                     .run = daemon_hooks[i].run,
                     .data = daemon};

        bool is_new = group_add_hook(daemon->group, daemon_hooks[i].moment, &hook, NULL);
        g_assert(is_new);
    }
}

/* The group's events */

static void on_daemon_phase(GroupPhase phase, void *data)
{
    Daemon *daemon = data;

    if (phase == GROUP_PHASE_STOP && daemon->bus != NULL)
        bus_begin_shutdown(daemon->bus);
    if (phase == GROUP_PHASE_STOP && daemon->keeper != NULL)
        keeper_freeze(daemon->keeper);
    if (daemon->bus != NULL)
        bus_set_phase(daemon->bus, group_phase_to_string(phase));
}

/* Thousands of documents may have been read by now: their memory goes back to the system. */
static void on_daemon_ready(void *data)
{
    Daemon *daemon = data;
    unsigned n_started;

    daemon->is_ready = true;
    manager_tell_ready();
    n_started = services_unit_start(daemon);
    (void)malloc_trim(0); /* that there was nothing to give is no matter */
    log_notice("ready: %u services, %u of them started now", map_counts(daemon->map)->total,
               n_started);
}

static uint64_t on_daemon_stop_usec(void *data)
{
    Daemon *daemon = data;
    uint64_t stop_usec = daemon->map != NULL ? services_unit_stop_usec(daemon) : GROUP_STOP_USEC;

    manager_tell_stopping(usec_add(stop_usec, GROUP_FORCE_USEC + DAEMON_STOP_MARGIN_USEC));
    manager_tell_status("Stopping all services");
    return stop_usec;
}

static void on_daemon_late(GroupPhase phase, const char *const *late, void *data)
{
    Daemon *daemon = data;
    g_autofree char *names = g_strjoinv(", ", (char **)(void *)late);
    g_autofree char *running = daemon->map != NULL ? services_describe_running(daemon->map) : NULL;

    log_error("%s has run out of time; late: %s%s%s", group_phase_to_string(phase), names,
              running != NULL ? "; still running: " : "", running != NULL ? running : "");
    if (phase >= GROUP_PHASE_STOP)
        hooks_tell_late(daemon, late, running);
}

static void on_daemon_over(Daemon *daemon)
{
    g_autofree char *left = daemon->map != NULL ? services_describe_running(daemon->map) : NULL;

    if (left != NULL)
        log_error("ended; left behind, for they do not end: %s", left);
    else
        log_notice("ended");
    loop_quit(daemon->loop, daemon->exit_code);
}

static void on_daemon_done(const GError *error, void *data)
{
    Daemon *daemon = data;
    g_auto(GStrv) lines = g_strsplit(error != NULL ? error->message : "", "\n", -1);

    for (char **line = lines; *line != NULL; line++)
        log_error("%s", *line);
    daemon->exit_code = error != NULL ? DAEMON_EXIT_FAILURE : DAEMON_EXIT_OK;
    hooks_unit_end(daemon, on_daemon_over);
}

/* From main to the loop and back */

/* Before anything is opened: a descriptor that got the number of a closed standard stream would be
 * written to by whoever logs. */
static bool daemon_open_standard_streams(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
        if (fcntl(fd, F_GETFD) >= 0)
            continue;
        if (open("/dev/null", O_RDWR | O_NOCTTY) != fd)
            return false;
    }
    return true;
}

/* Returns the exit code. Takes text. */
static int daemon_print(char *text)
{
    bool is_written = fputs(text, stdout) >= 0 && fflush(stdout) == 0;

    g_free(text);
    return is_written ? DAEMON_EXIT_OK : DAEMON_EXIT_FAILURE;
}

/* Whether something was to be printed and nothing more. */
static bool daemon_answer(const Daemon *daemon, GOptionContext *context, int *ret_code)
{
    const Options *options = &daemon->options;

    if (options->help)
        *ret_code = daemon_print(g_option_context_get_help(context, FALSE, NULL));
    else if (options->version)
        *ret_code = daemon_print(g_strdup(DAEMON_NAME " " SVCMGR_VERSION "\n"));
    else if (options->print_config)
        *ret_code = daemon_print(options_to_json(options));
    else if (options->list_units)
        *ret_code = daemon_print(group_list_units(daemon->group));
    return options->help || options->version || options->print_config || options->list_units;
}

static bool daemon_configure(Daemon *daemon, int *argc, char ***argv, int *ret_code)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    g_autoptr(GError) error = NULL;

    g_option_context_set_help_enabled(context, FALSE); /* ours shows all groups */
    g_option_context_set_summary(context, "Runs services and keeps them running.");
    bool valid = group_configure(daemon->group, context, argc, argv, &error);
    bool answered = daemon_answer(daemon, context, ret_code);
    if (valid || daemon->options.help || daemon->options.version)
        return !answered;
    fprintf(stderr, "%s\nSee " DAEMON_NAME " --help.\n", error->message);
    *ret_code = DAEMON_EXIT_USAGE;
    return false;
}

static int daemon_run(Daemon *daemon)
{
    uint64_t given_usec = daemon->options.startup_timeout_usec;
    uint64_t startup_usec = given_usec > 0 ? given_usec : GROUP_STARTUP_USEC;

    log_set_level(daemon->options.log_level);
    log_notice("version " SVCMGR_VERSION " starts, instance %s", daemon->instance_id);
    daemon->startup_deadline_usec =
            usec_add(clock_monotonic_usec(loop_clock(daemon->loop)), startup_usec);
    group_run(daemon->group, startup_usec);

    int r = loop_run(daemon->loop);
    if (r >= 0)
        return r;
    log_error("the loop failed: %s", g_strerror(-r));
    return DAEMON_EXIT_FAILURE;
}

static void daemon_open(Daemon *daemon)
{
    GroupEvents events = {
            on_daemon_phase, on_daemon_ready, on_daemon_stop_usec,
            on_daemon_late,  on_daemon_done,  daemon,
    };

    daemon->instance_id = random_id128(random_system());
    daemon->reloader = definitions_unit_reloader;
    daemon->group = group_new(loop_clock(daemon->loop), loop_timers(daemon->loop), &events);
    daemon->lifecycle = group_lifecycle(daemon->group);
    daemon_register(daemon);
}

static void daemon_close(Daemon *daemon)
{
    group_free(daemon->group);
    hooks_unit_free(daemon);
    state_remove_pid_file(daemon); /* when a hook before it has used up the time */
    host_free(daemon);
    lock_file_free(daemon->lock);
    loop_free(daemon->loop);
    options_done(&daemon->options);
    g_free(daemon->instance_id);
}

int daemon_main(int argc, char **argv)
{
    Daemon daemon = {.options.is_root = geteuid() == 0};
    g_autoptr(GError) error = NULL;
    int code = DAEMON_EXIT_FAILURE;

    if (!daemon_open_standard_streams())
        return DAEMON_EXIT_FAILURE;
    (void)umask(022);
    log_init(LOG_LEVEL_INFO);
    daemon.loop = loop_new(&error);
    if (daemon.loop == NULL) {
        log_error("%s", error->message);
        return DAEMON_EXIT_FAILURE;
    }
    daemon_open(&daemon);
    if (daemon_configure(&daemon, &argc, &argv, &code))
        code = daemon_run(&daemon);
    daemon_close(&daemon);
    return code;
}
