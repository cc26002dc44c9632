/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A program between core and its supervisor. Core asks (apply, cancel, stop), the supervisor tells
 * (ready, ending, gone), and what "gone" means depends on what was asked for meanwhile: the end of
 * a stop, the moment to start the next configuration, a failed or finished apply, or an end that
 * nobody asked for. */

#include "kinds/program.h"

#include "base/log.h"
#include "core/service.h"
#include "process/former.h"

typedef struct Program {
    Service *service;
    Supervisor *supervisor;
    ApplyContext *context; /* of the apply under way, or NULL */
    Config *next;          /* of that apply, until the program before it is gone */
    Config *running;       /* of what the supervisor runs, or has run last */
    bool stop_is_asked;    /* core waits for service_stop_done */
    unsigned n_restarts;
} Program;

typedef enum ProgramProperty {
    PROGRAM_MAIN_PID,
    PROGRAM_EXIT_CODE,
    PROGRAM_EXIT_SIGNAL,
    PROGRAM_STATUS_TEXT,
    PROGRAM_STATUS_ERRNO,
    PROGRAM_N_RESTARTS,
    PROGRAM_INVOCATION_ID,
    _PROGRAM_PROPERTY_MAX,
} ProgramProperty;

static const ProgramConfig *program_config(const Config *config)
{
    return config->own;
}

static const SupervisorFacts *program_facts(const void *instance)
{
    static const SupervisorFacts none = {.status_text = "", .invocation_id = ""};

    return instance != NULL ? supervisor_facts(((const Program *)instance)->supervisor) : &none;
}

/* Properties */

static void program_get_main_pid(const void *instance, KindValue *ret_value)
{
    ret_value->u = (uint32_t)program_facts(instance)->main_pid;
}

static void program_get_exit_code(const void *instance, KindValue *ret_value)
{
    const ExitStatus *exit = &program_facts(instance)->last_exit;

    ret_value->i = exit->known && !exit->signaled ? exit->value : -1;
}

static void program_get_exit_signal(const void *instance, KindValue *ret_value)
{
    const ExitStatus *exit = &program_facts(instance)->last_exit;

    ret_value->s = exit->known && exit->signaled ? ending_signal_name(exit->value) : "";
}

static void program_get_status_text(const void *instance, KindValue *ret_value)
{
    ret_value->s = program_facts(instance)->status_text;
}

static void program_get_status_errno(const void *instance, KindValue *ret_value)
{
    ret_value->i = program_facts(instance)->status_errno;
}

static void program_get_n_restarts(const void *instance, KindValue *ret_value)
{
    ret_value->u = instance != NULL ? ((const Program *)instance)->n_restarts : 0;
}

static void program_get_invocation_id(const void *instance, KindValue *ret_value)
{
    ret_value->s = program_facts(instance)->invocation_id;
}

static const KindProperty program_properties[] = {
        [PROGRAM_MAIN_PID] = {"MainPID", 'u', program_get_main_pid},
        [PROGRAM_EXIT_CODE] = {"ExitCode", 'i', program_get_exit_code},
        [PROGRAM_EXIT_SIGNAL] = {"ExitSignal", 's', program_get_exit_signal},
        [PROGRAM_STATUS_TEXT] = {"StatusText", 's', program_get_status_text},
        [PROGRAM_STATUS_ERRNO] = {"StatusErrno", 'i', program_get_status_errno},
        [PROGRAM_N_RESTARTS] = {"NRestarts", 'u', program_get_n_restarts},
        [PROGRAM_INVOCATION_ID] = {"InvocationId", 's', program_get_invocation_id},
        [_PROGRAM_PROPERTY_MAX] = {NULL, 0, NULL},
};

typedef struct ProgramFact {
    unsigned fact;
    uint32_t mask;
} ProgramFact;

static const ProgramFact program_fact_masks[] = {
        {FACT_MAIN_PID, 1U << PROGRAM_MAIN_PID},
        {FACT_LAST_EXIT, 1U << PROGRAM_EXIT_CODE | 1U << PROGRAM_EXIT_SIGNAL},
        {FACT_STATUS_TEXT, 1U << PROGRAM_STATUS_TEXT},
        {FACT_STATUS_ERRNO, 1U << PROGRAM_STATUS_ERRNO},
        {FACT_INVOCATION_ID, 1U << PROGRAM_INVOCATION_ID},
};

static void on_program_facts(unsigned facts, void *owner)
{
    Program *program = owner;
    uint32_t mask = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(program_fact_masks); i++) {
        if ((facts & program_fact_masks[i].fact) != 0)
            mask |= program_fact_masks[i].mask;
    }
    service_properties_changed(program->service, mask);
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

/* Nothing runs. */
static void program_begin(Program *program)
{
    g_autoptr(GError) error = NULL;
    ProcessHost *host = service_kind(program->service)->data;
    bool is_alone = former_check_left(host, service_id(program->service), &error);

    program->running = g_steal_pointer(&program->next);
    if (is_alone &&
        supervisor_start(program->supervisor, &program_config(program->running)->spec, &error))
        return;
    g_clear_pointer(&program->running, config_unref);
    Failure failure = {.failure_class = is_alone ? FAILURE_EXEC : FAILURE_INTERNAL, .error = error};
    service_set_sub_state(program->service, "dead");
    program_finish_apply(program, &failure);
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

static void program_apply(void *instance, ApplyContext *context, Config *config)
{
    Program *program = instance;

    g_assert(program->context == NULL && program->next == NULL);
    program_count_restart(program);
    program->context = apply_context_ref(context);
    program->next = config_ref(config);
    if (supervisor_is_running(program->supervisor))
        supervisor_stop(program->supervisor);
    else
        program_begin(program);
}

static void program_cancel(void *instance, ApplyContext *context)
{
    Program *program = instance;

    if (context != program->context)
        return; /* it was done when it was cancelled */
    g_clear_pointer(&program->context, apply_context_unref);
    g_clear_pointer(&program->next, config_unref);
    if (supervisor_is_running(program->supervisor))
        supervisor_stop(program->supervisor);
}

static void program_stop(void *instance)
{
    Program *program = instance;

    if (supervisor_is_running(program->supervisor)) {
        program->stop_is_asked = true;
        supervisor_stop(program->supervisor);
        return;
    }
    service_set_sub_state(program->service, "dead");
    service_stop_done(program->service, NULL);
}

/* What the supervisor tells */

static void on_program_ready(void *owner)
{
    program_finish_apply(owner, NULL);
}

static void on_program_ending(const Failure *failure, const ExitStatus *exit, void *owner)
{
    service_report_ending(((Program *)owner)->service, failure);
}

/* It was the end of a stop, of what ran, or of an apply: core takes the apply for over. */
static void on_program_unkillable(const GError *error, void *owner)
{
    Program *program = owner;

    g_clear_pointer(&program->context, apply_context_unref);
    g_clear_pointer(&program->next, config_unref);
    service_report_unkillable(program->service, error);
}

static void on_program_sub_state(const char *sub_state, void *owner)
{
    service_set_sub_state(((Program *)owner)->service, sub_state);
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

static void on_program_gone(const Failure *failure, const Ending *ending, void *owner)
{
    Program *program = owner;
    g_autoptr(Config) ran = g_steal_pointer(&program->running);

    if (program->stop_is_asked) {
        program->stop_is_asked = false;
        service_set_sub_state(program->service, "dead");
        service_stop_done(program->service, failure);
    } else if (program->next != NULL) {
        program_log_replaced(program, failure);
        program_begin(program);
    } else if (program->context != NULL && failure == NULL) {
        program_finish_once(program, program_config(ran)->remain_after_exit, &ending->exit);
    } else if (program->context != NULL) {
        service_set_sub_state(program->service, "dead");
        program_finish_apply(program, failure);
    } else {
        service_set_sub_state(program->service, "dead");
        service_report_ended(program->service, failure, &ending->exit);
    }
}

static const SupervisorEvents program_events = {
        .on_ready = on_program_ready,
        .on_ending = on_program_ending,
        .on_unkillable = on_program_unkillable,
        .on_gone = on_program_gone,
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
    g_clear_pointer(&program->next, config_unref);
    g_clear_pointer(&program->running, config_unref);
    g_free(program);
}

static ConfigApplied program_how_applied(const Config *running, const Config *next)
{
    return CONFIG_RESTARTED;
}

static bool program_signal(void *instance, SignalWhom whom, int signo, GError **error)
{
    return supervisor_signal(((Program *)instance)->supervisor, whom == SIGNAL_ALL, signo, error);
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
    kind->signal = program_signal;
    kind->owns_pid = program_owns_pid;
    kind->interface = "org.svcmgr1.Process";
    kind->properties = program_properties;
    kind->data = host;
    return kind;
}
