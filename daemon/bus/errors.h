/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The bridge from GError to what travels on the bus, and the errno that sd-bus clients in this
 * process see for our names. */

#include "base/errors.h"

#include <systemd/sd-bus.h>

/* Tells sd-bus the errno of every org.svcmgr1.Error.* (SD_BUS_ERROR_MAP). Once or often. */
void bus_errors_register(void);
/* Replies to call with error; nothing if no reply is wanted. */
void bus_errors_reply(sd_bus_message *call, const GError *error);
/* Sets *error to InvalidArgs for a message that could not be read; returns false. */
bool bus_errors_set_unreadable(GError **error, int result, const char *what);
