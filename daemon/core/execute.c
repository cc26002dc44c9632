/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the queue does with a service when its turn has come: the kind is told of what was
 * cancelled, and asked to stop or to apply. */

#include "core/service-private.h"

static const Origin origin_kind = {.cause = CAUSE_KIND};

static void service_execute_apply(Service *service)
{
    ApplyContext *context = service->context;
    if (context == NULL || context->begun || service_must_wait_again(service))
        return;
    service->is_fresh = false;
    context->begun = true;
    g_autoptr(Config) config = config_ref(service->config);
    apply_context_ref(context); /* it may be done, or cancelled, before the call returns */
    if (context->reload)
        service->kind->reload(service_instance(service), context, config);
    else
        service->kind->apply(service_instance(service), context, config);
    apply_context_unref(context);
}

static void service_flush_sub_state(Service *service)
{
    if (service->sub_state == NULL)
        return;
    if (g_str_equal(service->sub_state, service->record->sub_state)) {
        service->sub_state = NULL;
        return;
    }
    service_commit(service, service_draft(service), service->record->state, &origin_kind);
}

void service_execute(Service *service)
{
    g_autoptr(Service) keep = service_ref(service);
    service_flush_sub_state(service);
    if (service->entry.queued)
        return; /* who heard of it asked for more, which has its own turn */
    ApplyContext *cancelled = g_steal_pointer(&service->cancelled);
    if (cancelled != NULL) {
        service->kind->cancel(service_instance(service), cancelled);
        apply_context_unref(cancelled);
    }
    if (service->stop_phase == STOP_QUEUED && service_must_put_off_stop(service)) {
        return;
    } else if (service->stop_phase == STOP_QUEUED) {
        service->stop_phase = STOP_UNDER_WAY;
        service->kind->stop(service_instance(service));
    } else {
        service_execute_apply(service);
    }
}

void service_set_sub_state(Service *service, const char *sub_state)
{
    if (service->retracted)
        return;
    service->sub_state = sub_state;
    if (!service->entry.queued)
        queue_add(service->core->queue, &service->entry, QUEUE_FREE);
}
