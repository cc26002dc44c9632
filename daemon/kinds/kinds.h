/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds that come with the daemon. Each constructor gives a table that the caller frees with
 * g_free after the map is gone. host is borrowed. */

#include "core/map.h"
#include "process/host.h"

Kind *kind_process_new(ProcessHost *host);
Kind *kind_oneshot_new(ProcessHost *host);
/* map: of its members; borrowed, it may be NULL for reading configurations alone. */
Kind *kind_group_new(Map *map);

extern const char schema_group[];
