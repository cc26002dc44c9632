/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program between core and its supervisor. Core asks (apply, cancel, stop), the supervisor tells
 * (ready, ending, gone), and what "gone" means depends on what was asked for meanwhile: the end of
 * a stop, the moment to start the next configuration, a failed or finished apply, or an end that
 * nobody asked for. */

#include "base/errors.h"
#include "base/log.h"
#include "kinds/program-instance.h"
#include "process/former.h"

static const ProgramConfig *program_config(const Config *config)
{
    return config->own;
}

/* Apply, cancel and stop */

/* May end the service and with it the program: nothing of it is touched afterwards. */
static void program_finish_apply(Program *program, const Failure *failure)
{
    ApplyContext *context = g_steal_pointer(&program->context);

    if (context == NULL)
        return; /* cancelled */
    apply_context_done(context, failure);
    apply_context_unref(context);
}

/* What this host has not will not be there at the next attempt. */
static Failure program_start_failure(bool is_alone, const GError *error)
{
    bool is_asked_too_much = error->code == ERROR_NOT_SUPPORTED;

    return (Failure){
            .failure_class = !is_alone           ? FAILURE_INTERNAL
                             : is_asked_too_much ? FAILURE_CONFIG
                                                 : FAILURE_EXEC,
            .abort = is_asked_too_much,
            .error = error,
    };
}

/* What a program has stored is for its next start, and not for one that nobody has asked for. */
static void program_rest(Program *program)
{
    const Service *service = program->service;

    if (!service_state(service)->active && !service_is_wanted(service))
        supervisor_drop_stored(program->supervisor);
}

/* Nothing runs. */
static void program_begin(Program *program)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(Service) service = service_ref(program->service);
    ProcessHost *host = service_kind(service)->data;
    bool is_alone = former_check_left(host, service_id(service), &error);

    config_unref(program->running);
    program->running = g_steal_pointer(&program->next);
    program->run = (ProgramRun){0};
    if (is_alone &&
        supervisor_start(program->supervisor, &program_config(program->running)->spec, &error))
        return;
    g_clear_pointer(&program->running, config_unref);
    Failure failure = program_start_failure(is_alone, error);
    service_set_sub_state(service, "dead");
    program_finish_apply(program, &failure);
    program_rest(program);
}

/* What counts is the move that led to this apply: the record may have changed since in detail. A
 * reload counts for nothing. */
static void program_count_restart(Program *program)
{
    HistoryEntry moves[SERVICE_HISTORY];
    size_t n = service_history(program->service, moves);
    unsigned before = program->n_restarts;

    if (n == 0 || moves[n - 1].to != STATE_STARTING)
        return;
    program->n_restarts = moves[n - 1].cause == CAUSE_RETRY ? before + 1 : 0;
    if (program->n_restarts != before)
        service_properties_changed(program->service, 1U << PROGRAM_N_RESTARTS);
}

/* It goes on as it is, and the new configuration is in force. A oneshot that has done its work has
 * nothing to go on with. */
static bool program_take_over(Program *program, Config *config, GError **error)
{
    if (program->running == NULL || program_config_needs_restart(program->running, config))
        return false;
    if (supervisor_is_running(program->supervisor) &&
        !supervisor_set_spec(program->supervisor, &program_config(config)->spec, error))
        return false;
    config_ref(config);
    config_unref(program->running);
    program->running = config;
    service_set_sub_state(program->service,
                          supervisor_is_running(program->supervisor) ? "running" : "exited");
    return true;
}

/* Nothing runs, but what has run once may have something to be undone. False: it has not, or it
 * cannot be (error). */
static bool program_undo(Program *program, GError **error)
{
    const SupervisorSpec *spec =
            program->running != NULL ? &program_config(program->running)->spec : NULL;

    return spec != NULL && spec->stop_exec != NULL &&
           supervisor_undo(program->supervisor, spec, error);
}

/* Nothing runs. */
static void program_replace_remains(Program *program)
{
    g_autoptr(GError) error = NULL;

    if (program_undo(program, &error))
        return;
    if (error != NULL)
        log_service(LOG_LEVEL_WARNING, service_id(program->service),
                    "the work of the program before is not undone: %s", error->message);
    program_begin(program);
}

static void program_replace(Program *program, Config *config)
{
    program->next = config_ref(config);
    if (supervisor_is_running(program->supervisor))
        supervisor_stop(program->supervisor);
    else
        program_replace_remains(program);
}

static bool program_check_host(const Kind *kind, const Config *config, GError **error)
{
    return process_host_has_limits(kind->data, &program_config(config)->spec.limits, error);
}

/* What cannot be in force here is no reason to end what runs well. */
static void program_go_on(Program *program, GError *error)
{
    Failure failure = {.failure_class = FAILURE_CONFIG, .goes_on = true, .error = error};

    service_set_sub_state(program->service, "running");
    program_finish_apply(program, &failure);
}

static void program_apply(void *instance, ApplyContext *context, Config *config)
{
    Program *program = instance;
    g_autoptr(GError) error = NULL;

    g_assert(program->context == NULL && program->next == NULL);
    program_count_restart(program);
    program->context = apply_context_ref(context);
    if (supervisor_is_ready(program->supervisor) &&
        !program_check_host(service_kind(program->service), config, &error))
        program_go_on(program, error);
    else if (program_take_over(program, config, &error))
        program_finish_apply(program, NULL);
    else if (error != NULL)
        program_go_on(program, error);
    else
        program_replace(program, config);
}

/* What runs goes on without anybody waiting for its reload, and is stopped or replaced next. */
static void program_cancel(void *instance, ApplyContext *context)
{
    Program *program = instance;

    if (context == program->reload) {
        g_clear_pointer(&program->reload, apply_context_unref);
        supervisor_forget_reload(program->supervisor);
        return;
    }
    if (context != program->context)
        return; /* it was done when it was cancelled */
    g_clear_pointer(&program->context, apply_context_unref);
    g_clear_pointer(&program->next, config_unref);
    if (supervisor_is_running(program->supervisor))
        supervisor_stop(program->supervisor);
}

static void program_finish_stop(Program *program, const Failure *failure)
{
    g_autoptr(Service) service = service_ref(program->service);

    program->stop_is_asked = false;
    service_set_sub_state(service, "dead");
    service_stop_done(service, failure);
    program_rest(program);
}

static void program_stop_remains(Program *program)
{
    g_autoptr(GError) error = NULL;
    Failure failure = {.failure_class = FAILURE_EXEC};

    program->stop_is_asked = true;
    if (program_undo(program, &error))
        return;
    g_clear_pointer(&program->running, config_unref);
    failure.error = error;
    program_finish_stop(program, error != NULL ? &failure : NULL);
}

static void program_stop(void *instance)
{
    Program *program = instance;

    if (supervisor_is_running(program->supervisor)) {
        program->stop_is_asked = true;
        supervisor_stop(program->supervisor);
        return;
    }
    program_stop_remains(program);
}

/* Reload */

static void program_finish_reload(Program *program, const Failure *failure)
{
    ApplyContext *context = g_steal_pointer(&program->reload);

    if (context == NULL)
        return; /* cancelled */
    apply_context_done(context, failure);
    apply_context_unref(context);
}

static bool program_can_reload(const Config *config)
{
    const SupervisorSpec *spec = &program_config(config)->spec;

    return spec->reload_signal != 0 || spec->reload_exec != NULL;
}

/* A oneshot that has done its work has nobody who could be told: its reload_exec is run as it was.
 * What it does is still in force when that fails. */
static bool program_redo(Program *program, GError **error)
{
    if (program->running == NULL)
        return error_set(error, ERROR_FAILED, "it is not ready");
    program->redo = g_memdup2(&program_config(program->running)->spec, sizeof *program->redo);
    program->redo->spawn.exec = program->redo->reload_exec;
    program->is_redoing = true; /* its sub-state is told from inside */
    if (supervisor_start(program->supervisor, program->redo, error))
        return true;
    g_clear_pointer(&program->redo, g_free);
    program->is_redoing = false;
    g_prefix_error(error, "reload_exec: ");
    service_set_sub_state(program->service, "exited");
    return false;
}

/* Its work is undone and done again only for a configuration that needs a new start. */
static void program_replace_redone(Program *program)
{
    g_autoptr(Config) next = g_steal_pointer(&program->next);

    if (program_take_over(program, next, NULL)) {
        log_service(LOG_LEVEL_WARNING, service_id(program->service),
                    "reload_exec was ended, since a new configuration has come");
        program_finish_apply(program, NULL);
        return;
    }
    program->next = g_steal_pointer(&next);
    program_replace_remains(program);
}

static void program_finish_redo(Program *program, const Failure *failure)
{
    g_autoptr(GError) error = failure != NULL ? g_error_copy(failure->error) : NULL;
    Failure told = failure != NULL ? *failure : (Failure){0};

    program->is_redoing = false;
    if (program->stop_is_asked) {
        program_stop_remains(program);
        return;
    }
    if (program->next != NULL) {
        program_replace_redone(program);
        return;
    }
    if (error != NULL)
        g_prefix_error(&error, "reload_exec: ");
    told.error = error;
    service_set_sub_state(program->service, "exited");
    program_finish_reload(program, failure != NULL ? &told : NULL);
}

static void program_reload(void *instance, ApplyContext *context, Config *config)
{
    Program *program = instance;
    g_autoptr(GError) error = NULL;

    g_assert(program->reload == NULL);
    program->reload = apply_context_ref(context);
    if (supervisor_is_running(program->supervisor) ? supervisor_reload(program->supervisor, &error)
                                                   : program_redo(program, &error))
        return;
    Failure failure = {.failure_class = FAILURE_EXEC, .error = error};
    program_finish_reload(program, &failure);
}

static void on_program_reloading(void *owner)
{
    Program *program = owner;

    g_assert(program->reload == NULL);
    program->reload = service_report_reloading(program->service);
}

static void on_program_reloaded(const Failure *failure, void *owner)
{
    program_finish_reload(owner, failure);
}

/* What the supervisor tells */

static void on_program_ready(void *owner)
{
    program_finish_apply(owner, NULL);
}

static void on_program_ending(const Failure *failure, const ExitStatus *exit, void *owner)
{
    Program *program = owner;

    g_clear_pointer(&program->reload, apply_context_unref);
    service_report_ending(program->service, failure);
}

/* It was the end of a stop, of what ran, or of an apply: core takes the apply for over. */
static void on_program_unkillable(const GError *error, void *owner)
{
    Program *program = owner;

    g_clear_pointer(&program->context, apply_context_unref);
    g_clear_pointer(&program->reload, apply_context_unref);
    g_clear_pointer(&program->next, config_unref);
    program->is_redoing = false; /* its end is that of the service now */
    service_report_unkillable(program->service, error);
}

static void on_program_sub_state(const char *sub_state, void *owner)
{
    const Program *program = owner;
    bool is_reload = program->is_redoing && g_str_equal(sub_state, "start");

    service_set_sub_state(program->service, is_reload ? "reload" : sub_state);
}

/* A program that runs once has done so. Without remain_after_exit the service passes through active
 * all the same, since others wait for that. */
static void program_finish_once(Program *program, bool remains, const ExitStatus *exit)
{
    g_autoptr(Service) service = service_ref(program->service);

    service_set_sub_state(service, "exited");
    program_finish_apply(program, NULL);
    if (remains)
        return;
    service_set_sub_state(service, "exited");
    service_report_ended(service, NULL, exit);
}

static void program_log_replaced(const Program *program, const Failure *failure)
{
    if (failure != NULL)
        log_service(LOG_LEVEL_WARNING, service_id(program->service),
                    "the program before this configuration: %s", failure->error->message);
}

static void program_report_ended(Program *program, const Failure *failure, const ExitStatus *exit)
{
    g_autoptr(Service) service = service_ref(program->service);

    service_set_sub_state(service, "dead");
    service_report_ended(service, failure, exit);
    program_rest(program);
}

static void program_fail_apply(Program *program, const Failure *failure)
{
    g_autoptr(Service) service = service_ref(program->service);

    service_set_sub_state(service, "dead");
    program_finish_apply(program, failure);
    program_rest(program);
}

static void on_program_gone(const Failure *failure, const Ending *ending, void *owner)
{
    Program *program = owner;

    g_clear_pointer(&program->redo, g_free);
    if (program->is_redoing) {
        program_finish_redo(program, failure);
        return;
    }
    g_autoptr(Config) ran = g_steal_pointer(&program->running);
    g_clear_pointer(&program->reload, apply_context_unref);
    if (program->stop_is_asked) {
        program_finish_stop(program, failure);
    } else if (program->next != NULL) {
        program_log_replaced(program, failure);
        program_begin(program);
    } else if (program->context != NULL && failure == NULL) {
        bool remains = program_config(ran)->remain_after_exit;

        if (remains)
            program->running = g_steal_pointer(&ran);
        program_finish_once(program, remains, &ending->exit);
    } else if (program->context != NULL) {
        program_fail_apply(program, failure);
    } else {
        program_report_ended(program, failure, &ending->exit);
    }
}

static const SupervisorEvents program_events = {
        .on_ready = on_program_ready,
        .on_ending = on_program_ending,
        .on_unkillable = on_program_unkillable,
        .on_gone = on_program_gone,
        .on_reloading = on_program_reloading,
        .on_reloaded = on_program_reloaded,
        .on_sub_state = on_program_sub_state,
        .on_facts = on_program_facts,
};

/* The rest of the table */

static void *program_instance_new(const Kind *kind, Service *service)
{
    Program *program = g_new0(Program, 1);

    program->service = service;
    program->supervisor = supervisor_new(kind->data, service_id(service), &program_events, program);
    return program;
}

static void program_instance_free(void *instance)
{
    Program *program = instance;

    supervisor_free(program->supervisor);
    g_clear_pointer(&program->context, apply_context_unref);
    g_clear_pointer(&program->reload, apply_context_unref);
    g_clear_pointer(&program->next, config_unref);
    g_clear_pointer(&program->running, config_unref);
    g_free(program);
}

static void program_forget(void *instance)
{
    supervisor_drop_stored(((const Program *)instance)->supervisor);
}

/* A definition that this host cannot have is not in force, though it was configured. */
static ConfigApplied program_how_applied(const void *instance, const Config *next)
{
    const Program *program = instance;

    return program == NULL || program->running == NULL ||
                           program_config_needs_restart(program->running, next)
                   ? CONFIG_RESTARTED
                   : CONFIG_RELOADED;
}

static bool program_signal(void *instance, SignalWhom whom, int signo, GError **error)
{
    return supervisor_signal(((Program *)instance)->supervisor, whom == SIGNAL_ALL, signo, error);
}

static void program_kill(void *instance)
{
    supervisor_kill(((Program *)instance)->supervisor);
}

static bool program_owns_pid(const void *instance, uint32_t pid)
{
    return instance != NULL && pid <= INT32_MAX &&
           supervisor_owns_pid(((const Program *)instance)->supervisor, (pid_t)pid);
}

Kind *program_kind_new(const Kind *table, ProcessHost *host)
{
    Kind *kind = g_memdup2(table, sizeof *table);

    kind->instance_new = program_instance_new;
    kind->instance_free = program_instance_free;
    kind->apply = program_apply;
    kind->cancel = program_cancel;
    kind->stop = program_stop;
    kind->how_applied = program_how_applied;
    kind->check_host = program_check_host;
    kind->can_reload = program_can_reload;
    kind->reload = program_reload;
    kind->signal = program_signal;
    kind->kill = program_kill;
    kind->owns_pid = program_owns_pid;
    kind->rest = program_forget;
    kind->open_log = program_open_log;
    kind->describe_run = program_describe_run;
    kind->last_lines = program_last_lines;
    kind->interface = "org.svcmgr1.Process";
    kind->properties = program_properties;
    kind->data = host;
    return kind;
}
