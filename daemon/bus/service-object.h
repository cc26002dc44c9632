/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Service: the vtable and what its methods do (Wait is in wait.c). */

#include "bus/internal.h"
#include "core/requests.h"

#include <systemd/sd-bus.h>

typedef struct Call Call;

extern const sd_bus_vtable service_vtable[];

/* For the table of methods. */
void request_service_start(const Call *call, RequestSpec *spec);
void request_service_stop(const Call *call, RequestSpec *spec);
void request_service_restart(const Call *call, RequestSpec *spec);
void answer_service_state(Call *call, const RequestOutcome *outcome);
bool method_service_reload(Call *call, GError **error);
void answer_service_empty(Call *call, const RequestOutcome *outcome);
bool method_service_read_configure(Call *call, GError **error);
void request_service_configure(const Call *call, RequestSpec *spec);
void answer_service_configure(Call *call, const RequestOutcome *outcome);
bool method_service_read_set_enabled(Call *call, GError **error);
void request_service_set_enabled(const Call *call, RequestSpec *spec);
bool method_service_get_state(Call *call, GError **error);
bool method_service_get_config(Call *call, GError **error);
bool method_service_read_signal(Call *call, GError **error);
bool method_service_signal(Call *call, GError **error);
bool method_service_reset_failed(Call *call, GError **error);

/* LimitExceeded for a configuration that is too long even to be parsed. */
bool service_object_check_config(const char *config, GError **error);
