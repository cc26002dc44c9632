/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The configurations that a service had before. */

#include "bus/internal.h"

typedef struct Call Call;

/* For the table of methods. */
bool method_revisions_list(Call *call, GError **error);
bool method_revisions_read_get(Call *call, GError **error);
bool method_revisions_get(Call *call, GError **error);
