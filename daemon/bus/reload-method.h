/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ReloadDefinitions: what it was asked with, and its answer. */

#include "bus/internal.h"

typedef struct Call Call;

/* For the table of methods. */
bool method_reload_read(Call *call, GError **error);
bool method_reload_act(Call *call, GError **error);
