/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The kinds that come with the daemon. Each constructor gives a table that the caller frees with
 * g_free after the map is gone. host is borrowed. */

#include "core/kind.h"
#include "process/host.h"

Kind *kind_process_new(ProcessHost *host);
Kind *kind_oneshot_new(ProcessHost *host);
