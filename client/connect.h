/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the daemon. --system, --user and --address say it; otherwise the system bus for root
 * and the session bus for everybody else, and when there is no such bus, or no svcmgrd on it, the
 * private socket of svcmgrd. */

#include "client.h"

/* Connects client->bus. Blocks until the other side has answered, at most for --timeout and for 25
 * s: ERROR_TIMEOUT. The error is one line and says what was tried. */
bool connect_daemon(Client *client, GError **error);
/* Closes without writing what is queued. */
void connect_close(Client *client);
