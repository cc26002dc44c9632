/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What all logs together may take. Nothing is looked at before the first byte is written; then the
 * directories are gone through, a few in each turn of the loop, and from there on who writes tells.
 * When it is too much the oldest of all rotated files go, and the logs of services of which nothing
 * was written for longest. */

#include "process/service-log.h"

typedef struct ServiceLogTotal ServiceLogTotal;
