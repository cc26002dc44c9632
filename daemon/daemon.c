/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The table of units below is the daemon's table of contents: what is opened first, and, read
 * backwards, what is closed last. Services are stopped before the bus is drained, so that whoever
 * waits for the end of a service hears of it; the bus goes before the core, which it watches.
 *
 * When services survive even force, what they stand on is left to the end of the process: it cannot
 * be freed under them. */

#include "daemon.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "base/random.h"
#include "bus/bus.h"
#include "core/map.h"
#include "kinds/kinds.h"
#include "process/host.h"
#include "process/loop.h"
#include "run/group.h"
#include "run/options.h"
#include "run/services.h"
#include "store/definitions.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#define DAEMON_NAME "svcmgrd"
#define DAEMON_DRAIN_USEC (2 * USEC_PER_SEC)

typedef struct Daemon {
    Options options;
    Loop *loop;
    Group *group;
    ProcessHost *host;
    Core *core;
    Map *map;
    Events *events;
    Keeper *keeper;
    Requests *requests;
    Kind *kind_process;
    Kind *kind_oneshot;
    Bus *bus;
    char *instance_id;
} Daemon;

/* Signals */

static void on_daemon_end_signal(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;
    g_autofree char *reason = g_strdup_printf("SIG%s from process %" G_GUINT32_FORMAT,
                                              sigabbrev_np(signo), sender_pid);

    group_stop(daemon->group, reason);
}

static void on_daemon_sigchld(int signo, uint32_t sender_pid, void *data)
{
    Daemon *daemon = data;

    if (daemon->host != NULL)
        process_host_on_sigchld(daemon->host);
}

static bool signals_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;

    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
        return error_set_errno(error, errno, "cannot ignore SIGPIPE");
    /* Ignored by whoever started us, it would take the exit statuses of all children away. */
    if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
        return error_set_errno(error, errno, "cannot stop ignoring SIGCHLD");
    return loop_add_signal(daemon->loop, SIGHUP, on_daemon_end_signal, daemon, error) &&
           loop_add_signal(daemon->loop, SIGQUIT, on_daemon_end_signal, daemon, error) &&
           loop_add_signal(daemon->loop, SIGINT, on_daemon_end_signal, daemon, error) &&
           loop_add_signal(daemon->loop, SIGTERM, on_daemon_end_signal, daemon, error) &&
           loop_add_signal(daemon->loop, SIGCHLD, on_daemon_sigchld, daemon, error);
}

/* Core: the map of services, the kinds, and the host of their processes. */

static bool core_open_host(Daemon *daemon, GError **error)
{
    const char *runtime_dir = daemon->options.runtime_dir;
    ProcessHostOptions options = {
            .clock = loop_clock(daemon->loop),
            .timers = loop_timers(daemon->loop),
            .watches = loop_watches(daemon->loop),
            .random = random_system(),
            .runtime_dir = runtime_dir,
    };

    if (g_mkdir_with_parents(runtime_dir, 0755) < 0)
        return error_set_errno(error, errno, "cannot make the runtime directory %s", runtime_dir);
    daemon->host = process_host_new(&options, error);
    return daemon->host != NULL;
}

/* The daemon needs a few descriptors per service; programs get the limit that it was given (see
 * process/host.h). */
static void core_raise_fd_limit(void)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return;
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        log_warning("cannot raise the limit of descriptors: %s", g_strerror(errno));
}

static bool core_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;

    if (!core_open_host(daemon, error))
        return false;
    core_raise_fd_limit();
    daemon->core =
            core_new(loop_clock(daemon->loop), loop_timers(daemon->loop), random_system(), 1);
    daemon->map = map_new(daemon->core, ID_IS_UUID, (unsigned)daemon->options.max_services);
    daemon->events = events_new(daemon->core->feed);
    daemon->kind_process = kind_process_new(daemon->host);
    daemon->kind_oneshot = kind_oneshot_new(daemon->host);
    daemon->kind_process->defaults = daemon->options.defaults;
    daemon->kind_oneshot->defaults = daemon->options.defaults;
    map_register_kind(daemon->map, daemon->kind_process);
    map_register_kind(daemon->map, daemon->kind_oneshot);
    daemon->keeper = keeper_new(daemon->map, NULL);
    daemon->requests = requests_new(daemon->keeper, daemon->map);
    return true;
}

static void core_undo(void *data)
{
    Daemon *daemon = data;

    if (map_counts(daemon->map)->active > 0)
        return; /* given up: see above */
    g_clear_pointer(&daemon->requests, requests_free);
    g_clear_pointer(&daemon->keeper, keeper_free);
    g_clear_pointer(&daemon->events, events_free);
    g_clear_pointer(&daemon->map, map_free);
    g_clear_pointer(&daemon->core, core_free);
    g_clear_pointer(&daemon->kind_process, g_free);
    g_clear_pointer(&daemon->kind_oneshot, g_free);
    g_clear_pointer(&daemon->host, process_host_free);
}

/* Bus: the objects, on a bus and on the private socket. */

static bool bus_unit_connect(Daemon *daemon, GError **error)
{
    const Options *options = &daemon->options;
    BusScope scope = options->address != NULL  ? BUS_SCOPE_ADDRESS
                     : options->use_system_bus ? BUS_SCOPE_SYSTEM
                                               : BUS_SCOPE_USER;
    g_autoptr(GError) cause = NULL;

    if (bus_connect(daemon->bus, scope, options->address, &cause))
        return true;
    if (options->socket == NULL) {
        g_propagate_error(error, g_steal_pointer(&cause));
        return false;
    }
    log_warning("no bus, only the private socket %s: %s", options->socket, cause->message);
    return true;
}

static bool bus_unit_pre_run(void *data, GError **error)
{
    Daemon *daemon = data;
    BusOptions options = {
            .event = loop_event(daemon->loop),
            .clock = loop_clock(daemon->loop),
            .timers = loop_timers(daemon->loop),
            .map = daemon->map,
            .events = daemon->events,
            .keeper = daemon->keeper,
            .requests = daemon->requests,
            .version = SVCMGR_VERSION,
            .instance_id = daemon->instance_id,
    };

    daemon->bus = bus_new(&options);
    bus_set_phase(daemon->bus, group_phase_to_string(group_phase(daemon->group)));
    if ((daemon->options.socket == NULL ||
         bus_listen(daemon->bus, daemon->options.socket, error)) &&
        bus_unit_connect(daemon, error))
        return true;
    g_clear_pointer(&daemon->bus, bus_free);
    return false;
}

static bool bus_unit_serve(void *data, GError **error)
{
    Daemon *daemon = data;

    if (!bus_request_name(daemon->bus, error))
        return false;
    group_unit_ready(daemon->group, "bus");
    return true;
}

static void on_daemon_bus_drained(void *data)
{
    group_unit_stopped(((Daemon *)data)->group, "bus", NULL);
}

static void bus_unit_stop(void *data)
{
    Daemon *daemon = data;

    bus_drain(daemon->bus, DAEMON_DRAIN_USEC, on_daemon_bus_drained, daemon);
}

static void bus_unit_undo(void *data)
{
    Daemon *daemon = data;

    g_clear_pointer(&daemon->bus, bus_free);
}

/* Services: created from definitions, started when everything is ready, stopped together. */

static CreateSpec services_spec(const Definition *definition)
{
    return (CreateSpec){
            .id = definition->id,
            .kind = definition->kind,
            .config = definition->config,
            .config_length = definition->config != NULL ? strlen(definition->config) : 0,
            .enabled = definition->enabled,
            .source = SOURCE_DEFINITION,
            .description = definition->description,
            .labels = definition->labels,
    };
}

static GError *services_create(Daemon *daemon, const Definition *definition, const Origin *origin)
{
    CreateSpec spec = services_spec(definition);
    g_autoptr(GError) reason = NULL;

    if (definition->error != NULL)
        return g_error_copy(definition->error);
    if (map_create(daemon->map, &spec, origin, &reason) != NULL)
        return NULL;
    return definition_error(definition, reason);
}

/* What cannot be used is seen all the same, and says why. */
static void services_create_broken(Daemon *daemon, const Definition *definition,
                                   const GError *reason, const Origin *origin)
{
    g_auto(GStrv) lines = g_strsplit(reason->message, "\n", -1);
    g_autoptr(GError) error = NULL;
    CreateSpec spec = services_spec(definition);

    for (char **line = lines; *line != NULL; line++)
        log_service(LOG_LEVEL_ERROR, definition->id, "%s", *line);
    if (map_create_broken(daemon->map, &spec, reason, origin, &error) == NULL)
        log_service(LOG_LEVEL_ERROR, definition->id, "not created: %s", error->message);
}

static Definitions *services_load(Daemon *daemon, GError **error)
{
    g_autoptr(GArray) directories = g_array_new(FALSE, FALSE, sizeof(DefinitionDirectory));
    const Options *given = &daemon->options;

    for (char **path = given->services_dirs; *path != NULL; path++) {
        DefinitionDirectory directory = {*path, .may_be_missing = !given->services_dirs_given};

        g_array_append_val(directories, directory);
    }
    DefinitionsOptions options = {
            .directories = (const DefinitionDirectory *)(void *)directories->data,
            .n_directories = directories->len,
            .trust = {.check = given->is_root, .uid = geteuid()},
            .max_definitions = (unsigned)given->max_services,
    };
    Definitions *definitions = definitions_load(&options, error);

    if (definitions != NULL)
        definitions_check(definitions, daemon->map);
    return definitions;
}

static bool services_pre_run(void *data, GError **error)
{
    static const Origin origin = {.cause = CAUSE_STARTUP};
    Daemon *daemon = data;
    g_autoptr(Definitions) definitions = services_load(daemon, error);

    if (definitions == NULL)
        return false;
    for (unsigned i = 0; i < definitions->messages->len; i++) {
        const DefinitionMessage *message = g_ptr_array_index(definitions->messages, i);

        log_full(message->level, __FILE__, __LINE__, __func__, NULL, NULL, "%s", message->text);
    }
    for (unsigned i = 0; i < definitions->list->len; i++) {
        const Definition *definition = g_ptr_array_index(definitions->list, i);
        g_autoptr(GError) reason = services_create(daemon, definition, &origin);

        if (reason != NULL)
            services_create_broken(daemon, definition, reason, &origin);
    }
    return true;
}

/* A service that had to be killed has said so, in the log and in its state. It is no failure of the
 * daemon, which has brought everything to its end in time. */
static void on_daemon_services_stopped(const GError *error, void *data)
{
    group_unit_stopped(((Daemon *)data)->group, "services", NULL);
}

static void services_unit_stop(void *data)
{
    Daemon *daemon = data;

    services_stop(daemon->map, on_daemon_services_stopped, daemon);
}

static void services_unit_force(void *data)
{
    services_signal(((Daemon *)data)->map, SIGKILL);
}

/* The daemon's life */

static void on_daemon_phase(GroupPhase phase, void *data)
{
    Daemon *daemon = data;

    if (daemon->bus == NULL)
        return;
    bus_set_phase(daemon->bus, group_phase_to_string(phase));
    if (phase == GROUP_PHASE_STOP)
        bus_begin_shutdown(daemon->bus);
}

/* Thousands of documents may have been read by now: their memory goes back to the system. */
static void on_daemon_ready(void *data)
{
    Daemon *daemon = data;
    unsigned n_services = map_counts(daemon->map)->total;
    unsigned n_started = services_start_enabled(daemon->map);

    (void)malloc_trim(0); /* that there was nothing to give is no matter */
    log_notice("ready: %u services, %u of them started now", n_services, n_started);
    (void)sd_notifyf(0, "READY=1\nSTATUS=%u services", n_services); /* nobody may listen */
}

static uint64_t on_daemon_stop_usec(void *data)
{
    Daemon *daemon = data;
    uint64_t given_usec = daemon->options.shutdown_timeout_usec;
    uint64_t stop_usec = given_usec > 0        ? given_usec
                         : daemon->map != NULL ? services_stop_usec(daemon->map)
                                               : GROUP_STOP_USEC;

    (void)sd_notifyf(0,
                     "STOPPING=1\nSTATUS=Stopping all services\n"
                     "EXTEND_TIMEOUT_USEC=%" G_GUINT64_FORMAT,
                     usec_add(stop_usec, GROUP_FORCE_USEC + DAEMON_DRAIN_USEC));
    return stop_usec;
}

static void on_daemon_late(GroupPhase phase, const char *const *late, void *data)
{
    Daemon *daemon = data;
    g_autofree char *units = g_strjoinv(", ", (char **)(void *)late);
    g_autofree char *running = daemon->map != NULL ? services_describe_running(daemon->map) : NULL;

    log_error("%s has run out of time; late: %s%s%s", group_phase_to_string(phase), units,
              running != NULL ? "; still running: " : "", running != NULL ? running : "");
}

static void on_daemon_done(const GError *error, void *data)
{
    Daemon *daemon = data;
    g_auto(GStrv) lines = g_strsplit(error != NULL ? error->message : "", "\n", -1);

    for (char **line = lines; *line != NULL; line++)
        log_error("%s", *line);
    log_notice("ended");
    loop_quit(daemon->loop, error != NULL ? DAEMON_EXIT_FAILURE : DAEMON_EXIT_OK);
}

static void daemon_register_units(Daemon *daemon)
{
    const Unit units[] = {
            {.name = "options",
             .options = options_group,
             .validate = options_validate,
             .data = &daemon->options},
            {.name = "signals", .pre_run = signals_pre_run, .data = daemon},
            {.name = "core", .pre_run = core_pre_run, .undo = core_undo, .data = daemon},
            {.name = "bus",
             .pre_run = bus_unit_pre_run,
             .serve = bus_unit_serve,
             .stop = bus_unit_stop,
             .undo = bus_unit_undo,
             .data = daemon},
            {.name = "services",
             .pre_run = services_pre_run,
             .stop = services_unit_stop,
             .force = services_unit_force,
             .data = daemon},
    };

    for (size_t i = 0; i < G_N_ELEMENTS(units); i++)
        (void)group_register(daemon->group, &units[i]); /* each takes part */
}

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
    return options->help || options->version || options->print_config;
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
    log_set_level(daemon->options.log_level);
    log_notice("version " SVCMGR_VERSION " starts, instance %s", daemon->instance_id);
    group_run(daemon->group, daemon->options.startup_timeout_usec);

    int r = loop_run(daemon->loop);
    if (r >= 0)
        return r;
    log_error("the loop failed: %s", g_strerror(-r));
    return DAEMON_EXIT_FAILURE;
}

int daemon_main(int argc, char **argv)
{
    Daemon daemon = {.options.is_root = geteuid() == 0};
    GroupEvents events = {
            on_daemon_phase, on_daemon_ready, on_daemon_stop_usec,
            on_daemon_late,  on_daemon_done,  &daemon,
    };
    g_autoptr(GError) error = NULL;
    int code = DAEMON_EXIT_FAILURE;

    if (!daemon_open_standard_streams())
        return DAEMON_EXIT_FAILURE;
    (void)umask(022);
    log_init(LOG_LEVEL_INFO);
    daemon.instance_id = random_id128(random_system());
    daemon.loop = loop_new(&error);
    if (daemon.loop == NULL) {
        log_error("%s", error->message);
        g_free(daemon.instance_id);
        return DAEMON_EXIT_FAILURE;
    }
    daemon.group = group_new(loop_clock(daemon.loop), loop_timers(daemon.loop), &events);
    daemon_register_units(&daemon);
    if (daemon_configure(&daemon, &argc, &argv, &code))
        code = daemon_run(&daemon);
    group_free(daemon.group);
    loop_free(daemon.loop);
    options_done(&daemon.options);
    g_free(daemon.instance_id);
    return code;
}
