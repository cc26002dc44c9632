/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The actions are those of the annotations in interfaces/ (a test compares). */

#include "bus/methods.h"

#include "bus/listing.h"
#include "bus/manager-object.h"
#include "bus/reload-method.h"
#include "bus/revisions.h"
#include "bus/service-object.h"
#include "bus/wait.h"

#define MANAGER BUS_INTERFACE_MANAGER
#define SERVICE BUS_INTERFACE_SERVICE

const Method method_table[] = {
        /* Open to everybody. */
        {.interface = MANAGER,
         .member = "GetService",
         .read = method_manager_read_id,
         .act = method_manager_get_service},
        {.interface = MANAGER,
         .member = "GetServiceByPID",
         .read = method_manager_read_pid,
         .act = method_manager_get_service_by_pid},
        {.interface = MANAGER,
         .member = "ListServices",
         .read = method_listing_read_services,
         .done = listing_arguments_free,
         .act = method_listing_services},
        {.interface = MANAGER, .member = "ListKinds", .act = method_listing_kinds},
        {.interface = MANAGER,
         .member = "GetKindSchema",
         .read = method_manager_read_id,
         .act = method_manager_get_kind_schema},
        {.interface = MANAGER,
         .member = "ValidateConfig",
         .asks_caller = true,
         .read = method_manager_read_validate_config,
         .act = method_manager_validate_config},
        {.interface = MANAGER,
         .member = "GetEvents",
         .read = method_listing_read_events,
         .act = method_listing_events},
        {.interface = SERVICE,
         .member = "Wait",
         .waits = true,
         .read = method_wait_read,
         .act = method_wait_act},
        {.interface = SERVICE, .member = "GetState", .act = method_service_get_state},
        /* Shows what may be secret. */
        {.interface = SERVICE,
         .member = "GetConfig",
         .action = "get-config",
         .act = method_service_get_config},
        {.interface = SERVICE,
         .member = "ListConfigRevisions",
         .action = "get-config",
         .act = method_revisions_list},
        {.interface = SERVICE,
         .member = "GetConfigRevision",
         .action = "get-config",
         .read = method_revisions_read_get,
         .act = method_revisions_get},
        /* Changes something. */
        {.interface = MANAGER,
         .member = "CreateService",
         .action = "create",
         .changes = true,
         .read = method_manager_read_create_service,
         .done = manager_create_arguments_free,
         .request = request_manager_create_service,
         .answer = answer_manager_create_service},
        {.interface = MANAGER,
         .member = "DeleteService",
         .action = "delete",
         .changes = true,
         .waits = true,
         .read = method_manager_read_delete_service,
         .request = request_manager_delete_service,
         .answer = answer_manager_delete_service,
         .refused = refused_manager_delete_service},
        {.interface = MANAGER,
         .member = "ReloadDefinitions",
         .action = "reload-definitions",
         .changes = true,
         .waits = true,
         .read = method_reload_read,
         .act = method_reload_act},
        {.interface = MANAGER,
         .member = "ResetFailed",
         .action = "reset-failed",
         .changes = true,
         .act = method_manager_reset_failed},
        {.interface = SERVICE,
         .member = "Start",
         .action = "start",
         .changes = true,
         .request = request_service_start,
         .answer = answer_service_state},
        {.interface = SERVICE,
         .member = "Stop",
         .action = "stop",
         .changes = true,
         .request = request_service_stop,
         .answer = answer_service_state},
        {.interface = SERVICE,
         .member = "Restart",
         .action = "restart",
         .changes = true,
         .request = request_service_restart,
         .answer = answer_service_state},
        {.interface = SERVICE,
         .member = "Configure",
         .action = "configure",
         .changes = true,
         .read = method_service_read_configure,
         .request = request_service_configure,
         .answer = answer_service_configure},
        {.interface = SERVICE,
         .member = "SetEnabled",
         .action = "enable",
         .changes = true,
         .read = method_service_read_set_enabled,
         .request = request_service_set_enabled,
         .answer = answer_service_empty},
        {.interface = SERVICE,
         .member = "Signal",
         .action = "signal",
         .changes = true,
         .read = method_service_read_signal,
         .act = method_service_signal},
        {.interface = SERVICE,
         .member = "ResetFailed",
         .action = "reset-failed",
         .changes = true,
         .act = method_service_reset_failed},
        {.interface = NULL},
};

const Method *method_find(const char *interface, const char *member)
{
    for (const Method *method = method_table; method->interface != NULL; method++) {
        if (g_str_equal(method->member, member) && g_str_equal(method->interface, interface))
            return method;
    }
    return NULL;
}
