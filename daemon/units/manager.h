/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the service manager above this one is told (sd_notify(3)), if there is one. */

#include <stdint.h>

void manager_tell_ready(void);
void manager_tell_reloading(uint64_t monotonic_usec);
/* It may take so long. */
void manager_tell_stopping(uint64_t stop_usec);
/* A line for people. */
void manager_tell_status(const char *format, ...) __attribute__((format(printf, 1, 2)));
