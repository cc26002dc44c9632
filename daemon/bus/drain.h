/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last thing the bus does: answer who still waits, and let what is queued be read. */

#include "bus/internal.h"

/* done is called once, in a later turn, and not after drain_free. */
Drain *drain_new(Bus *bus, uint64_t timeout_usec, void (*done)(void *data), void *data);
void drain_free(Drain *drain); /* accepts NULL */
