/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's last descriptors are not for services: clients must still be able to connect, and
 * the daemon to stop what it runs. */

#include "process/host.h"

#define DESCRIPTORS_RESERVED 64

/* False when all but the reserved ones are in use, or when that cannot be found out. Costs three
 * system calls. */
bool descriptors_are_spare(const ProcessHost *host);
