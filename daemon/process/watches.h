/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The watches of a loop. */

#include "base/watch.h"

#include <glib.h>
#include <systemd/sd-event.h>

typedef struct Watches Watches;

/* Negative errno on failure. */
int watches_new(sd_event *event, Watches **ret_watches);
/* There is no watch any more. Accepts NULL. */
void watches_free(Watches *watches);
WatchHost *watches_host(Watches *watches);
