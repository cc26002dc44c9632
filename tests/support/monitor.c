/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bus passes messages on in one order for all, so a call to the bus itself marks a place in it.
 */

#include "support/monitor.h"

#include "support/child.h"

static void monitor_message_free(void *message)
{
    (void)sd_bus_message_unref(message); /* always NULL */
}

Monitor *monitor_new(const char *address)
{
    Monitor *monitor = g_new0(Monitor, 1);

    monitor->messages = g_ptr_array_new_with_free_func(monitor_message_free);
    g_assert_cmpint(sd_bus_new(&monitor->bus), >=, 0);
    g_assert_cmpint(sd_bus_set_address(monitor->bus, address), >=, 0);
    g_assert_cmpint(sd_bus_set_bus_client(monitor->bus, true), >=, 0);
    g_assert_cmpint(sd_bus_set_monitor(monitor->bus, true), >=, 0);
    g_assert_cmpint(sd_bus_start(monitor->bus), >=, 0);
    g_assert_cmpint(sd_bus_call_method(monitor->bus, "org.freedesktop.DBus",
                                       "/org/freedesktop/DBus", "org.freedesktop.DBus.Monitoring",
                                       "BecomeMonitor", NULL, NULL, "asu", 0, (uint32_t)0),
                    >=, 0);
    return monitor;
}

void monitor_free(Monitor *monitor)
{
    g_ptr_array_unref(monitor->messages);
    (void)sd_bus_flush_close_unref(monitor->bus); /* always NULL */
    g_free(monitor);
}

/* The next message; the monitor's. */
static sd_bus_message *monitor_next(Monitor *monitor, uint64_t deadline)
{
    sd_bus_message *message = NULL;

    while (message == NULL) {
        int r = sd_bus_process(monitor->bus, &message);

        g_assert_cmpint(r, >=, 0);
        if (r > 0)
            continue;
        uint64_t now = test_now_usec();
        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_bus_wait(monitor->bus, deadline - now), >=, 0);
    }
    g_ptr_array_add(monitor->messages, message);
    return message;
}

void monitor_collect(Monitor *monitor, Client *client)
{
    uint64_t deadline = usec_add(test_now_usec(), CLIENT_PATIENCE_USEC);
    sd_bus_message *reply = NULL;
    const char *name;
    uint64_t cookie;

    g_assert_cmpint(sd_bus_call_method(client->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "GetId", NULL, &reply, NULL),
                    >=, 0);
    g_assert_cmpint(sd_bus_get_unique_name(client->bus, &name), >=, 0);
    g_assert_cmpint(sd_bus_message_get_reply_cookie(reply, &cookie), >=, 0);
    for (uint64_t seen = 0;;) {
        sd_bus_message *message = monitor_next(monitor, deadline);

        if (g_strcmp0(sd_bus_message_get_destination(message), name) == 0 &&
            sd_bus_message_get_reply_cookie(message, &seen) >= 0 && seen == cookie)
            break;
    }
    sd_bus_message_unref(reply);
}
