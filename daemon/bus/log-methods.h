/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Service.OpenLog and GetFailureReport: what a service has said, and why it failed, as
 * descriptors. What programs say may hold secrets, so both are authorised ("open-log"), and none of
 * it is ever in a property. */

#include "bus/internal.h"

typedef struct Call Call;

bool method_log_read_open(Call *call, GError **error);
bool method_log_open(Call *call, GError **error);
bool method_log_failure_report(Call *call, GError **error);
