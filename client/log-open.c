/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One format for all that is shown of logs: whatever style is asked for can be made of it. */

#include "log-open.h"

#include "call.h"

#include <errno.h>
#include <fcntl.h>

Outcome log_open(Client *client, const char *id, const LogQuery *query,
                 sd_bus_message_handler_t on_reply, void *data)
{
    CallTarget target = {.id = id, .interface = SERVICE_INTERFACE, .member = "OpenLog"};
    unsigned n = query->invocation != NULL ? 5 : 4; /* the last may be left out */

    return call_async(client, &target, on_reply, data, "a{sv}", n, "lines", "u", query->lines,
                      "since_usec", "t", query->since_usec, "follow", "b", (int)query->follow,
                      "format", "s", "json", "invocation", "s", query->invocation);
}

int log_open_take(sd_bus_message *reply)
{
    int borrowed;
    int r = sd_bus_message_read(reply, "h", &borrowed);

    if (r < 0)
        return r;
    int fd = fcntl(borrowed, F_DUPFD_CLOEXEC, 3);
    return fd >= 0 ? fd : -errno;
}
