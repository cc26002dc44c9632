/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A hook is run as a service that runs once: the supervisor has the child, its way to the program,
 * and the rest of its process group. It differs in that nobody is asked to end: a hook that is late
 * or leaves something behind has had its time. */

#include "process/program-hook.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/parse.h"
#include "process/host-internal.h"
#include "process/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM_HOOK_KILL_USEC (1 * USEC_PER_SEC)

struct ProgramHook {
    ProcessHost *host;
    char *path;
    char *occasion;
    Supervisor *supervisor;
    SupervisorSpec spec; /* of the run */

    ProgramHookDone done; /* NULL: has been called, or there is nobody to be told */
    void *data;
    uint64_t began_usec;
    bool is_aborted;
    bool is_freed;
    GError *start_error; /* told from the loop */
    Timer *start_timer;
};

/* The caller may free the hook, or run it again: nothing is touched after this. */
static void program_hook_tell(ProgramHook *hook, const GError *error)
{
    ProgramHookDone done = hook->done;

    hook->done = NULL;
    if (done != NULL)
        done(error, hook->data);
}

static void program_hook_destroy(ProgramHook *hook)
{
    supervisor_free(hook->supervisor);
    timer_free(hook->start_timer);
    g_clear_error(&hook->start_error);
    spawn_spec_clear(&hook->spec.spawn);
    g_free(hook->path);
    g_free(hook->occasion);
    g_free(hook);
}

static GError *program_hook_late_error(const ProgramHook *hook)
{
    uint64_t lasted_usec = clock_monotonic_usec(hook->host->clock) - hook->began_usec;
    g_autofree char *lasted = format_duration(lasted_usec / USEC_PER_MSEC * USEC_PER_MSEC);

    return g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT,
                       "hook %s was ended by force after %s: it had not finished in time",
                       hook->path, lasted);
}

/* NULL: it has succeeded. An exit is not known when the program was never executed. */
static GError *program_hook_judge(const ProgramHook *hook, const Failure *failure,
                                  const ExitStatus *exit)
{
    if (hook->is_aborted)
        return program_hook_late_error(hook);
    if (!exit->known)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "hook %s: %s", hook->path,
                           failure != NULL ? failure->error->message : "exit status unknown");
    if (exit->signaled)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "hook %s was killed by %s%s", hook->path,
                           ending_signal_name(exit->value),
                           exit->core_dumped ? ", core dumped" : "");
    if (exit->value != 0)
        return g_error_new(SVCMGR_ERROR, ERROR_FAILED, "hook %s exited with status %d", hook->path,
                           exit->value);
    return NULL;
}

/* Of the supervisor */

static void on_program_hook_ready(void *owner)
{
}

static void on_program_hook_ending(const Failure *failure, const ExitStatus *exit, void *owner)
{
}

static void on_program_hook_unkillable(const GError *error, void *owner)
{
    ProgramHook *hook = owner;
    g_autoptr(GError) told =
            g_error_new(SVCMGR_ERROR, ERROR_TIMEOUT, "hook %s: %s", hook->path, error->message);

    program_hook_tell(hook, told);
}

static void on_program_hook_gone(const Failure *failure, const Ending *ending, void *owner)
{
    ProgramHook *hook = owner;
    g_autoptr(GError) error = program_hook_judge(hook, failure, &ending->exit);

    spawn_spec_clear(&hook->spec.spawn);
    if (hook->is_freed)
        program_hook_destroy(hook);
    else
        program_hook_tell(hook, error);
}

static void on_program_hook_reloading(void *owner)
{
}

static void on_program_hook_reloaded(const Failure *failure, void *owner)
{
}

static void on_program_hook_sub_state(const char *sub_state, void *owner)
{
}

static void on_program_hook_facts(unsigned facts, void *owner)
{
}

static const SupervisorEvents program_hook_events = {
        .on_ready = on_program_hook_ready,
        .on_ending = on_program_hook_ending,
        .on_unkillable = on_program_hook_unkillable,
        .on_gone = on_program_hook_gone,
        .on_reloading = on_program_hook_reloading,
        .on_reloaded = on_program_hook_reloaded,
        .on_sub_state = on_program_hook_sub_state,
        .on_facts = on_program_hook_facts,
};

/* Running */

static void on_program_hook_not_started(void *data)
{
    ProgramHook *hook = data;
    g_autoptr(GError) error = g_steal_pointer(&hook->start_error);

    spawn_spec_clear(&hook->spec.spawn);
    program_hook_tell(hook, error);
}

ProgramHook *program_hook_new(ProcessHost *host, const char *path, const char *occasion)
{
    ProgramHook *hook = g_new(ProgramHook, 1);

    *hook = (ProgramHook){
            .host = host,
            .path = g_strdup(path),
            .occasion = g_strdup(occasion),
            .supervisor = supervisor_new(host, NULL, &program_hook_events, hook),
            .start_timer = timer_new(host->timers, on_program_hook_not_started, hook),
    };
    return hook;
}

void program_hook_free(ProgramHook *hook)
{
    if (hook == NULL)
        return;
    hook->done = NULL;
    if (!supervisor_is_running(hook->supervisor)) {
        program_hook_destroy(hook);
        return;
    }
    hook->is_freed = true;
    supervisor_stop(hook->supervisor);
}

static char **program_hook_join(char *first, const char *const *rest)
{
    g_autoptr(GStrvBuilder) builder = g_strv_builder_new();
    g_autofree char *owned = first;

    g_strv_builder_add(builder, owned);
    if (rest != NULL)
        g_strv_builder_addv(builder, (const char **)rest);
    return g_strv_builder_end(builder);
}

void program_hook_run(ProgramHook *hook, const char *const *arguments,
                      const char *const *environment, ProgramHookDone done, void *data)
{
    g_assert(!program_hook_is_running(hook));
    hook->spec = (SupervisorSpec){
            .spawn = {.exec = program_hook_join(g_strdup(hook->path), arguments),
                      .environment = program_hook_join(
                              g_strconcat("SVCMGR_HOOK=", hook->occasion, NULL), environment),
                      SPAWN_KEEP_ALL,
                      .privileges = SPAWN_PRIVILEGES_NEW},
            .rules = {.stop_signal = SIGKILL,
                      .runs_once = true,
                      .start_timeout_usec = USEC_INFINITY,
                      .stop_timeout_usec = PROGRAM_HOOK_KILL_USEC},
            .readiness = READINESS_SPAWNED,
            .stop_mode = STOP_MODE_ALL,
    };
    hook->done = done;
    hook->data = data;
    hook->is_aborted = false;
    hook->began_usec = clock_monotonic_usec(hook->host->clock);
    if (supervisor_start(hook->supervisor, &hook->spec, &hook->start_error))
        return;
    g_prefix_error(&hook->start_error, "hook %s: ", hook->path);
    timer_arm(hook->start_timer, hook->began_usec);
}

/* Once the program has ended by itself its exit counts, whatever it has left behind. */
void program_hook_abort(ProgramHook *hook)
{
    if (!supervisor_is_running(hook->supervisor))
        return;
    if (supervisor_facts(hook->supervisor)->main_pid > 0)
        hook->is_aborted = true;
    supervisor_stop(hook->supervisor);
}

bool program_hook_is_running(const ProgramHook *hook)
{
    return hook->done != NULL || supervisor_is_running(hook->supervisor);
}

const char *program_hook_path(const ProgramHook *hook)
{
    return hook->path;
}

/* Finding */

static bool program_hook_is_left_out(const char *name)
{
    return name[0] == '.' || g_str_has_suffix(name, "~") || strstr(name, ".dpkg-") != NULL ||
           strstr(name, ".rpm") != NULL;
}

/* Opened without reading: an executable need not be readable. */
static bool program_hook_check_trusted(const char *path, uid_t uid, GError **error)
{
    autofd int fd = open(path, O_PATH | O_CLOEXEC);

    if (fd < 0)
        return error_set_errno(error, errno, "cannot open %s", path);
    return file_check_trusted(fd, path, uid, error) && file_check_way_trusted(path, uid, error);
}

static bool program_hook_check_file(const char *path, uid_t uid, GError **error)
{
    struct stat status;

    if (stat(path, &status) < 0)
        return error_set_errno(error, errno, "cannot examine hook %s: repair or remove it", path);
    if (!S_ISREG(status.st_mode))
        return error_set(error, ERROR_FAILED, "hook %s is not a regular file: remove it", path);
    if (access(path, X_OK) < 0)
        return error_set(error, ERROR_FAILED,
                         "hook %s is not executable: change it with chmod +x, or remove it", path);
    if (uid == 0 && !program_hook_check_trusted(path, uid, error)) {
        g_prefix_error(error, "hook: ");
        return false;
    }
    return true;
}

bool program_hook_check(const char *path, uid_t uid, GError **error)
{
    g_autofree char *directory = g_path_get_dirname(path);

    return (uid != 0 || program_hook_check_trusted(directory, uid, error)) &&
           program_hook_check_file(path, uid, error);
}

static int program_hook_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static GPtrArray *program_hooks_list(const char *directory, GError **error)
{
    g_autoptr(GPtrArray) paths = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GError) cause = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &cause);

    if (g_error_matches(cause, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return g_steal_pointer(&paths);
    if (dir == NULL) {
        error_set(error, ERROR_FAILED, "cannot read the directory of hooks: %s", cause->message);
        return NULL;
    }
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;) {
        if (!program_hook_is_left_out(name))
            g_ptr_array_add(paths, g_build_filename(directory, name, NULL));
    }
    g_ptr_array_sort(paths, program_hook_compare);
    return g_steal_pointer(&paths);
}

GPtrArray *program_hooks_find(const char *directory, uid_t uid, GPtrArray *errors)
{
    GPtrArray *usable = g_ptr_array_new_with_free_func(g_free);
    GError *error = NULL;
    g_autoptr(GPtrArray) paths = program_hooks_list(directory, &error);

    /* Who may add files to it decides what the daemon runs. */
    if (paths != NULL && paths->len > 0 && uid == 0 &&
        !program_hook_check_trusted(directory, uid, &error))
        g_clear_pointer(&paths, g_ptr_array_unref);
    if (paths == NULL) {
        g_ptr_array_add(errors, error);
        return usable;
    }
    for (unsigned i = 0; i < paths->len; i++) {
        const char *path = g_ptr_array_index(paths, i);

        if (program_hook_check_file(path, uid, &error))
            g_ptr_array_add(usable, g_strdup(path));
        else
            g_ptr_array_add(errors, g_steal_pointer(&error));
    }
    return usable;
}
