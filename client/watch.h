/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The command watch: every event from now on, without a gap, through the loss of the daemon or of
 * the bus. Ends by a signal, or when nobody reads. */

#include "client.h"
#include "event.h"

Outcome watch_run(Client *client, const EventFilter *filter);
