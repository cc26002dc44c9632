/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What people ask of a service: each operation checks its precondition, changes target and record
 * at once, and leaves the work to the queue. Each is a few lines, for the rules are in the tables.
 */

#include "base/errors.h"
#include "core/plan.h"
#include "core/service-private.h"
#include "core/settle.h"

static bool service_refuse(const Service *service, GError **error, ErrorCode code, const char *why)
{
    return error_set(error, code, "service '%s' %s", service->id, why);
}

static bool service_check_not_deleting(const Service *service, GError **error)
{
    if (service->deleted_by == NULL)
        return true;
    return service_refuse(service, error, ERROR_BUSY, "is being deleted");
}

static bool service_check_not_busy(const Service *service, GError **error)
{
    if (!service_check_not_deleting(service, error))
        return false;
    if (service->record->state != STATE_STOPPING)
        return true;
    return service_refuse(service, error, ERROR_BUSY, "is stopping; wait until it is inactive");
}

static bool service_check_not_loading(const Service *service, GError **error)
{
    if (service->context == NULL)
        return true;
    return service_refuse(
            service, error, ERROR_ALREADY_LOADING,
            "is still loading its configuration; wait until it is settled, or stop it");
}

static bool service_check_not_broken(const Service *service, GError **error)
{
    if (service->broken == NULL)
        return true;
    return error_set(
            error, ERROR_INVALID_CONFIG,
            "service '%s' has a definition that cannot be used; configure it, or mend the file: %s",
            service->id, service->broken->message);
}

bool service_check_change(const Service *service, GError **error)
{
    return service_check_not_deleting(service, error);
}

/* What its start takes along, and what it stops. *ret_plan NULL: nothing. */
static bool service_plan_start(const Service *service, Plan **ret_plan, GError **error)
{
    Service *asked = (Service *)service; /* it is only looked at */
    *ret_plan = NULL;
    if (service->node == NULL)
        return true;
    *ret_plan = plan_start(service->core->graph, &asked, 1, error);
    return *ret_plan != NULL;
}

static bool service_check_startable(const Service *service, GError **error)
{
    if (!service_check_not_busy(service, error) || !service_check_not_broken(service, error))
        return false;
    if (!service->record->active)
        return true;
    return error_set(error, ERROR_ALREADY_STARTED, "service '%s' is already started (%s)",
                     service->id, state_to_string(service->record->state));
}

bool service_check_start(const Service *service, GError **error)
{
    g_autoptr(Plan) plan = NULL;
    if (!service_check_startable(service, error))
        return false;
    if (service_plan_start(service, &plan, error))
        return true;
    g_prefix_error(error, "service '%s': ", service->id);
    return false;
}

/* With the daemon nobody hears of it but by its state. ret_plan as of service_plan_start. */
static bool service_plan_own_start(Service *service, const Origin *origin, Plan **ret_plan,
                                   GError **error)
{
    GError *refused = NULL;
    if (service_plan_start(service, ret_plan, &refused))
        return true;
    if (origin->cause == CAUSE_STARTUP)
        service_fail_beside(service, refused, origin);
    g_propagate_prefixed_error(error, refused, "service '%s': ", service->id);
    return false;
}

/* What is taken along is told with who asked for it. */
static void service_pull_along(const Service *service, const Plan *plan, const Origin *origin)
{
    Origin along = *origin;
    if (along.cause != CAUSE_STARTUP)
        along.cause = CAUSE_DEPENDENCY;
    for (unsigned i = 0; plan != NULL && i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);
        if (step->service != service && step->action == PLAN_START)
            service_pull(step->service, &along);
    }
}

static void service_take_along(const Service *service, const Plan *plan, const Origin *origin)
{
    for (unsigned i = 0; plan != NULL && i < plan->steps->len; i++) {
        const PlanStep *step = g_ptr_array_index(plan->steps, i);
        if (step->action == PLAN_STOP)
            service_follow_stop(step->service, NULL);
    }
    service_pull_along(service, plan, origin);
}

void service_bring(Service *service, const Origin *origin)
{
    g_autoptr(Service) keep = service_ref(service);
    g_autoptr(Plan) plan = NULL;
    if (service_check_startable(service, NULL) && service_plan_start(service, &plan, NULL))
        service_pull_along(service, plan, origin);
    service_pull(service, origin); /* without a plan it waits, and says for what */
}

bool service_start(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(Service) keep = service_ref(service);
    g_autoptr(Plan) plan = NULL;
    if (!service_check_startable(service, error))
        return false;
    if (!service_plan_own_start(service, origin, &plan, error))
        return false;
    if (origin->cause == CAUSE_STARTUP &&
        !service_admit_beside_others(service, plan, origin, error))
        return false;
    service_take_along(service, plan, origin);
    if (!service_check_not_deleting(service, error))
        return false;
    if (service->record->active) /* by somebody who heard of the others */
        return true;
    if (service_enter_started(service, origin, error))
        return true;
    g_prefix_error(error, "service '%s': ", service->id);
    return false;
}

bool service_check_stop(const Service *service, GError **error)
{
    if (!service_check_not_deleting(service, error))
        return false;
    if (!service->record->active)
        return service_refuse(service, error, ERROR_ALREADY_STOPPED, "is already stopped");
    if (service->record->state == STATE_STOPPING && !service->wanted)
        return service_refuse(service, error, ERROR_BUSY, "is already stopping");
    return true;
}

bool service_stop(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service_check_stop(service, error))
        return false;
    service_stay_away(service, origin); /* when stopping: cancels the second half of a restart */
    if (service->record->state != STATE_STOPPING)
        service_enter_stopping(service, NULL, origin);
    return true;
}

bool service_check_restart(const Service *service, GError **error)
{
    return service->record->active ? service_check_not_busy(service, error)
                                   : service_check_start(service, error);
}

/* The same for one that is up. */
static bool service_plan_restart(Service *service, Plan **ret_plan, GError **error)
{
    *ret_plan = NULL;
    if (service->node == NULL)
        return true;
    *ret_plan = plan_restart(service->core->graph, service, error);
    if (*ret_plan == NULL)
        g_prefix_error(error, "service '%s': ", service->id);
    return *ret_plan != NULL;
}

bool service_restart(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service->record->active)
        return service_start(service, origin, error);
    g_autoptr(Plan) plan = NULL;
    if (!service_check_not_busy(service, error) || !service_plan_restart(service, &plan, error))
        return false;
    service_take_along(service, plan, origin);
    if (!service_check_not_busy(service, error)) /* somebody who heard of the others was faster */
        return false;
    service->wanted = true;
    service_enter_stopping(service, NULL, origin);
    return true;
}

static bool service_check_reloadable(const Service *service, GError **error)
{
    const Kind *kind = service->kind;
    if (kind->reload == NULL || kind->can_reload == NULL)
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "service '%s' is of kind '%s', which cannot reload; restart it instead",
                         service->id, kind->name);
    if (service->config != NULL && kind->can_reload(service->config))
        return true;
    return service_refuse(service, error, ERROR_NOT_SUPPORTED,
                          "has neither reload_signal nor reload_exec in its configuration; "
                          "restart it instead");
}

bool service_reload(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(Service) keep = service_ref(service);
    if (!service_check_not_busy(service, error) || !service_check_not_loading(service, error))
        return false;
    if (service->record->state != STATE_ACTIVE)
        return service_refuse(service, error, ERROR_NOT_SUPPORTED,
                              "is not active; only what is active can reload");
    if (!service_check_reloadable(service, error))
        return false;
    service_enter_apply(service, service_draft(service), STATE_RELOADING, true, origin);
    return true;
}

static Config *service_parse(const Service *service, const char *text, size_t length,
                             GError **error)
{
    g_autoptr(Problems) problems = problems_new();
    Config *config = config_parse(service->kind, text, length, problems);
    if (config == NULL) {
        g_propagate_error(error, problems_to_error(problems));
        g_prefix_error(error, "service '%s': ", service->id);
    }
    return config;
}

static StateRecord *service_draft_configured(Service *service, const Config *config)
{
    StateRecord *draft = service_draft(service);
    config_text_unref(draft->config);
    draft->config = config_text_ref(config->text);
    draft->max_attempts = config->common.restart.backoff.max_attempts;
    draft->config_revision++;
    draft->last_config_time = clock_wall_usec(service->core->clock);
    draft->failed_attempts = 0;
    timer_disarm(service->stable_timer);
    return draft;
}

static ConfigApplied service_how_applied(const Service *service, const Config *running,
                                         const Config *next)
{
    if (!service->record->active)
        return CONFIG_STORED;
    if (service->record->state == STATE_STOPPING)
        return CONFIG_STORED;
    if (service->record->state != STATE_ACTIVE || running == NULL)
        return CONFIG_RESTARTED;
    return service->kind->how_applied != NULL ? service->kind->how_applied(service->instance, next)
                                              : CONFIG_RELOADED;
}

/* What does not run may have a configuration for another host. */
static bool service_check_host(const Service *service, const Config *config, GError **error)
{
    if (!service->record->active || service->kind->check_host == NULL ||
        service->kind->check_host(service->kind, config, error))
        return true;
    g_prefix_error(error, "service '%s': ", service->id);
    return false;
}

Config *service_prepare_config(const Service *service, const char *text, size_t length,
                               GError **error)
{
    if (!service_check_not_busy(service, error) || !service_check_not_loading(service, error))
        return NULL;
    g_autoptr(Config) config = service_parse(service, text, length, error);
    return config != NULL && service_check_host(service, config, error) &&
                           service_check_dependencies(service, config->common.dependencies, error)
                   ? g_steal_pointer(&config)
                   : NULL;
}

/* Somebody who heard of what is taken along has moved the service itself. */
static void service_supersede_late(Service *service, StateRecord *draft, const Origin *origin)
{
    state_record_unref(draft);
    draft = service_draft_configured(service, service->config);
    if (service->record->state == STATE_STOPPING)
        service_commit(service, draft, STATE_STOPPING, origin);
    else
        service_enter_gated(service, draft, origin);
}

/* Puts what is being loaded aside: a newer apply takes its place. What does not run yet begins only
 * when nothing stands in its way, and takes along what it now requires. */
static void service_supersede(Service *service, StateRecord *draft, const Config *running,
                              const Origin *origin)
{
    State state = service->record->state;
    g_autoptr(Plan) plan = NULL;
    service_cancel_context(service);
    if ((state == STATE_ACTIVE || state == STATE_RELOADING) && running != NULL) {
        service_enter_apply(service, draft, STATE_RELOADING, false, origin);
    } else if (state == STATE_STARTING) {
        service_enter_apply(service, draft, STATE_STARTING, false, origin);
    } else {
        g_autoptr(StateRecord) before = state_record_ref(service->record);
        if (service_plan_restart(service, &plan, NULL)) /* else it waits, and says for what */
            service_take_along(service, plan, origin);
        if (service->record == before)
            service_enter_gated(service, draft, origin);
        else
            service_supersede_late(service, draft, origin);
    }
}

ConfigApplied service_adopt_config(Service *service, Config *config, ConfigSource source,
                                   const Origin *origin)
{
    g_autoptr(Service) keep = service_ref(service);
    g_autoptr(Config) running = service->config;
    ConfigApplied applied = service_how_applied(service, running, config);
    StateRecord *draft = service_draft_configured(service, config);
    State state = service->record->state;
    bool mended = service->broken != NULL;
    service->config = config;
    service->config_source = source;
    g_clear_error(&service->broken);
    if (mended)
        service_draft_clear_error(draft);
    if (service->attached)
        graph_change(service->core->graph, service, config->common.dependencies);
    if (service->record->active && state != STATE_STOPPING)
        service_supersede(service, draft, running, origin);
    else
        service_commit(service, draft, mended ? STATE_INACTIVE : state, origin);
    if (mended && service->node != NULL)
        settle_note_present(service->node); /* until now there was nothing of it but its name */
    service_yield_to_rival(service);
    return applied;
}

bool service_configure(Service *service, const char *text, size_t length, const Origin *origin,
                       ConfigApplied *ret_applied, GError **error)
{
    Config *config = service_prepare_config(service, text, length, error);
    if (config == NULL)
        return false;
    ConfigApplied applied = service_adopt_config(service, config, CONFIG_FROM_BUS, origin);
    if (ret_applied != NULL)
        *ret_applied = applied;
    return true;
}

bool service_reset_failed(Service *service, const Origin *origin, GError **error)
{
    g_autoptr(Service) keep = service_ref(service);
    const StateRecord *record = service->record;
    if (!service_check_not_busy(service, error) || !service_check_not_broken(service, error))
        return false;
    start_window_reset(&service->starts);
    if (record->error == NULL && record->failed_attempts == 0 && record->state != STATE_FAILED)
        return true;
    StateRecord *draft = service_draft(service);
    service_draft_clear_error(draft);
    draft->failed_attempts = 0;
    timer_disarm(service->stable_timer);
    service_commit(service, draft, record->state == STATE_FAILED ? STATE_INACTIVE : record->state,
                   origin);
    return true;
}

bool service_signal(Service *service, SignalWhom whom, int signo, GError **error)
{
    if (service->kind->signal == NULL) {
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "service '%s' is of kind '%s', which has no processes", service->id,
                         service->kind->name);
    }
    if (!service->record->active)
        return service_refuse(service, error, ERROR_ALREADY_STOPPED,
                              "is stopped; nothing to signal");
    if (service->kind->signal(service_instance(service), whom, signo, error))
        return true;
    g_prefix_error(error, "service '%s': ", service->id);
    return false;
}

void service_kill(Service *service)
{
    service_force_stop(service);
    if (service->kind->kill != NULL && service->record->active)
        service->kind->kill(service_instance(service));
}

bool service_begin_delete(Service *service, const Origin *origin)
{
    if (service->deleted_by == NULL) {
        service->deleted_by = g_memdup2(origin, sizeof *origin);
        if (origin->caller != NULL)
            caller_ref(origin->caller);
    }
    service_set_wanted(service, false);
    if (!service->record->active)
        return true;
    if (service->record->state != STATE_STOPPING)
        service_enter_stopping(service, NULL, origin);
    return false;
}
