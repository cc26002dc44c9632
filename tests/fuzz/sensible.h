/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Calls that mean something: they bring services into every state, so that the senseless ones find
 * the daemon at work. Programs that are run are true, false and sleep; signals go to those alone.
 */

#include <systemd/sd-bus.h>

typedef struct SensibleCall {
    const char *path; /* NULL: of any service */
    const char *interface;
    const char *member;
    int (*append)(sd_bus_message *message);
} SensibleCall;

const SensibleCall *sensible_pick(void);
