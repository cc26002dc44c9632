/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a command on D-Bus can cost as a process: connects, makes one call and ends.
 *
 * Usage: bench-bus-call ADDRESS */

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>

int main(int argc, char **argv)
{
    sd_bus *bus = NULL;
    int r;

    if (argc != 2) {
        (void)fprintf(stderr, "usage: %s ADDRESS\n", argv[0]);
        return 2;
    }
    r = sd_bus_new(&bus);
    if (r >= 0)
        r = sd_bus_set_address(bus, argv[1]);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    if (r >= 0)
        r = sd_bus_call_method(bus, "org.svcmgr1", "/org/svcmgr1/service/s00000",
                               "org.svcmgr1.Service", "GetState", NULL, NULL, NULL);
    if (r < 0)
        (void)fprintf(stderr, "bench-bus-call: %s\n", strerror(-r));
    sd_bus_flush_close_unref(bus);
    return r < 0;
}
