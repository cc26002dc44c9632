/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One format for all that is shown of logs: whatever style is asked for can be made of it. */

#include "log-open.h"

#include "base/clock.h"
#include "call.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

/* 0 or negative errno. */
static int log_open_ask_uid(Client *client, uint32_t *ret_uid)
{
    uint64_t timeout = client->timeout_usec == USEC_INFINITY ? 0 : client->timeout_usec;
    sd_bus_message *call = NULL;
    sd_bus_message *reply = NULL;
    int r = sd_bus_message_new_method_call(client->bus, &call, "org.freedesktop.DBus",
                                           "/org/freedesktop/DBus", "org.freedesktop.DBus",
                                           "GetConnectionUnixUser");

    if (r >= 0)
        r = sd_bus_message_append(call, "s", DAEMON_NAME);
    if (r >= 0)
        r = sd_bus_call(client->bus, call, timeout, NULL, &reply);
    if (r >= 0)
        r = sd_bus_message_read(reply, "u", ret_uid);
    sd_bus_message_unref(call);
    sd_bus_message_unref(reply);
    return r;
}

bool log_open_is_allowed(Client *client)
{
    uint32_t uid = 0;

    return geteuid() == 0 || log_open_ask_uid(client, &uid) < 0 || uid == geteuid();
}

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
