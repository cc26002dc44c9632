/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Manager.StartServices and StopServices: calls that are kept until a batch
 * (core/batch.h) is done; and what they would do (core/plan.h). */

#include "bus/internal.h"

typedef struct Call Call;

bool method_batch_read(Call *call, GError **error);
void batch_arguments_free(void *arguments);
bool method_batch_start(Call *call, GError **error);
bool method_batch_stop(Call *call, GError **error);

/* The daemon is leaving: those that are under way are answered so, and begin nothing more. */
void batch_methods_end_all(Bus *bus);
