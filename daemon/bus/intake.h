/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a private peer has sent and is no whole message yet. sd-bus keeps it, takes messages of up
 * to 128 MiB (D-Bus specification, "Message Format") and knows no smaller limit; anybody may
 * connect. So the daemon runs the connection itself instead of attaching it to the loop, and drops
 * who makes it keep more than the API ever needs. */

#include "bus/connection.h"

/* Of those who may not act: enough for every option and list of the API. */
#define INTAKE_MAX_BYTES (UINT64_C(4) * 1024 * 1024)
/* Of those who may act: they are told that a configuration is too large. */
#define INTAKE_TRUSTED_MAX_BYTES (UINT64_C(32) * 1024 * 1024)

typedef struct Intake Intake;

/* Reads and writes for a connection that has been started. NULL with error. */
Intake *intake_new(Connection *connection, GError **error);
/* Nothing is read any more. Accepts NULL. */
void intake_free(Intake *intake);

/* One step of sd_bus_process, and whether what it keeps is still in bounds. Negative errno: the
 * connection is broken; 0: there was nothing to do. May close the connection. */
int intake_process(Intake *intake);

/* Before the loop waits: for what. */
void intake_arm(Intake *intake);

/* What sd-bus keeps for it, of a message that is not whole. */
uint64_t intake_bytes(const Intake *intake);
