/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Manager.GetDependencyGraph: who has to do with whom, and how each of them is. */

#include "bus/internal.h"

typedef struct Call Call;

bool method_graph_read(Call *call, GError **error);
void graph_arguments_free(void *arguments);
bool method_graph_act(Call *call, GError **error);
