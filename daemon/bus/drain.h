/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The last thing the bus does: answer who still waits, and let what is queued be read. */

#include "bus/internal.h"

/* done is called once, in a later turn, and not after drain_free. */
Drain *drain_new(Bus *bus, uint64_t timeout_usec, void (*done)(void *data), void *data);
/* No call is accepted any more, and those that hang are answered. */
void drain_begin(Drain *drain);
/* For bus->flights: every call is answered. What is queued has to be written, and then it is done.
 */
void drain_write(Drain *drain);
void drain_free(Drain *drain); /* accepts NULL */
