/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Manager: the vtable, its properties, and what its methods do (those that answer with
 * lists are in listing.c). */

#include "bus/internal.h"
#include "core/requests.h"

#include <systemd/sd-bus.h>

typedef struct Call Call;

extern const sd_bus_vtable manager_vtable[];

/* For the table of methods. */
bool method_manager_read_id(Call *call, GError **error); /* one string: an id or a kind */
bool method_manager_get_service(Call *call, GError **error);
bool method_manager_read_pid(Call *call, GError **error);
bool method_manager_get_service_by_pid(Call *call, GError **error);
bool method_manager_get_kind_schema(Call *call, GError **error);
bool method_manager_read_validate_config(Call *call, GError **error);
bool method_manager_validate_config(Call *call, GError **error);
bool method_manager_read_create_service(Call *call, GError **error);
void request_manager_create_service(const Call *call, RequestSpec *spec);
void answer_manager_create_service(Call *call, const RequestOutcome *outcome);
void manager_create_arguments_free(void *arguments);
bool method_manager_read_delete_service(Call *call, GError **error);
void request_manager_delete_service(const Call *call, RequestSpec *spec);
void answer_manager_delete_service(Call *call, const RequestOutcome *outcome);
bool refused_manager_delete_service(Call *call, const GError *error);
bool method_manager_reset_failed(Call *call, GError **error);
