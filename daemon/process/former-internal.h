/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a sweep leaves behind, for former_check_left. */

#include "process/host.h"

#include <sys/types.h>

GHashTable *former_left_new(void);
void former_left_add(ProcessHost *host, const char *id, pid_t pid);
