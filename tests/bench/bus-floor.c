/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The least that a D-Bus service can cost: bare sd-bus and an object with one property, and two
 * methods that do nothing but send what a service sends when it is started or stopped. It serves a
 * bus (and takes the name org.svcmgr1.Floor there) and a unix socket, and prints a line when both
 * are ready. It ends by SIGTERM.
 *
 * Usage: bench-bus-floor ADDRESS SOCKET */

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-bus.h>

#define FLOOR_NAME "org.svcmgr1.Floor"
#define FLOOR_PATH "/org/svcmgr1/floor"
#define FLOOR_INTERFACE "org.svcmgr1.Floor"

#define FLOOR_TIME UINT64_C(1795273403208821) /* any: what counts is its size */

/* The member LastTransition; in the scope of floor_change. */
#define FLOOR_LAST_TRANSITION                                                                      \
    "LastTransition", "a{sv}", 9, "serial", "t", serial, "time", "t", FLOOR_TIME, "from", "s",     \
            from, "to", "s", to, "cause", "s", "method", "method", "s", method, "uid", "u", 0,     \
            "pid", "u", 12345, "comm", "s", "bench-changes"

static uint64_t floor_serial;

static void floor_check(int r, const char *what)
{
    if (r >= 0)
        return;
    (void)fprintf(stderr, "bench-bus-floor: %s: %s\n", what, strerror(-r));
    exit(1);
}

static int property_get_state(sd_bus *bus, const char *path, const char *interface,
                              const char *property, sd_bus_message *reply, void *userdata,
                              sd_bus_error *ret_error)
{
    return sd_bus_message_append_basic(reply, 's', "inactive");
}

/* One transition: the signals have the members and the sizes of those of a service. */
static int floor_change(sd_bus *bus, const char *method, const char *from, const char *to,
                        bool is_settled)
{
    uint64_t serial = ++floor_serial;
    int r;

    if (is_settled)
        r = sd_bus_emit_signal(bus, FLOOR_PATH, "org.freedesktop.DBus.Properties",
                               "PropertiesChanged", "sa{sv}as", FLOOR_INTERFACE, 6, "State", "s",
                               to, "SubState", "s", "unconfigured", "Active", "b", 1,
                               "LastActiveTime", "t", FLOOR_TIME, FLOOR_LAST_TRANSITION,
                               "StateSerial", "t", serial, 0);
    else
        r = sd_bus_emit_signal(bus, FLOOR_PATH, "org.freedesktop.DBus.Properties",
                               "PropertiesChanged", "sa{sv}as", FLOOR_INTERFACE, 4, "State", "s",
                               to, "SubState", "s", "", FLOOR_LAST_TRANSITION, "StateSerial", "t",
                               serial, 0);
    if (r < 0)
        return r;
    return sd_bus_emit_signal(bus, "/org/svcmgr1", "org.svcmgr1.Manager", "Event", "ttssa{sv}",
                              serial, FLOOR_TIME, "Transition", "s00000", 7, "from", "s", from,
                              "to", "s", to, "cause", "s", "method", "method", "s", method, "uid",
                              "u", 0, "pid", "u", 12345, "comm", "s", "bench-changes");
}

/* That a service has begun or ended. */
static int floor_tell(sd_bus *bus, const char *type)
{
    return sd_bus_emit_signal(bus, "/org/svcmgr1", "org.svcmgr1.Manager", "Event", "ttssa{sv}",
                              ++floor_serial, FLOOR_TIME, type, "s00000", 0);
}

static int method_start(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    sd_bus *bus = sd_bus_message_get_bus(message);
    int r = floor_change(bus, "Start", "inactive", "active", true);

    if (r >= 0)
        r = floor_tell(bus, "ProcessStart");
    return r < 0 ? r : sd_bus_reply_method_return(message, "st", "active", floor_serial);
}

static int method_stop(sd_bus_message *message, void *userdata, sd_bus_error *ret_error)
{
    sd_bus *bus = sd_bus_message_get_bus(message);
    int r = floor_change(bus, "Stop", "active", "stopping", false);

    if (r >= 0)
        r = sd_bus_reply_method_return(message, "st", "stopping", floor_serial);
    if (r >= 0)
        r = floor_change(bus, "Stop", "stopping", "inactive", true);
    return r < 0 ? r : floor_tell(bus, "ProcessEnd");
}

static int property_get_serial(sd_bus *bus, const char *path, const char *interface,
                               const char *property, sd_bus_message *reply, void *userdata,
                               sd_bus_error *ret_error)
{
    return sd_bus_message_append_basic(reply, 't', &floor_serial);
}

static const sd_bus_vtable floor_vtable[] = {
        SD_BUS_VTABLE_START(0),
        SD_BUS_METHOD("Start", NULL, "st", method_start, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_METHOD("Stop", NULL, "st", method_stop, SD_BUS_VTABLE_UNPRIVILEGED),
        SD_BUS_PROPERTY("EventSerial", "t", property_get_serial, 0, 0),
        SD_BUS_PROPERTY("State", "s", property_get_state, 0, SD_BUS_VTABLE_PROPERTY_EMITS_CHANGE),
        SD_BUS_VTABLE_END,
};

static void floor_serve(sd_bus *bus, sd_event *event)
{
    floor_check(
            sd_bus_add_object_vtable(bus, NULL, FLOOR_PATH, FLOOR_INTERFACE, floor_vtable, NULL),
            "vtable");
    floor_check(sd_bus_attach_event(bus, event, SD_EVENT_PRIORITY_NORMAL), "event");
}

static int on_floor_peer(sd_event_source *source, int fd, uint32_t revents, void *userdata)
{
    sd_id128_t id = {.qwords = {1, 1}};
    int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    sd_bus *bus = NULL;

    floor_check(peer_fd < 0 ? -errno : 0, "accept");
    floor_check(sd_bus_new(&bus), "bus");
    floor_check(sd_bus_set_fd(bus, peer_fd, peer_fd), "fd");
    floor_check(sd_bus_set_server(bus, true, id), "server");
    floor_check(sd_bus_start(bus), "start");
    floor_serve(bus, sd_event_source_get_event(source));
    return 0; /* the peer stays until the end */
}

static void floor_listen(sd_event *event, const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    floor_check(fd < 0 ? -errno : 0, "socket");
    (void)snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
    floor_check(bind(fd, (struct sockaddr *)(void *)&address, sizeof(address)) < 0 ? -errno : 0,
                "bind");
    floor_check(listen(fd, 16) < 0 ? -errno : 0, "listen");
    floor_check(sd_event_add_io(event, NULL, fd, EPOLLIN, on_floor_peer, NULL), "io");
}

static void floor_connect(sd_event *event, const char *address)
{
    sd_bus *bus = NULL;

    floor_check(sd_bus_new(&bus), "bus");
    floor_check(sd_bus_set_address(bus, address), "address");
    floor_check(sd_bus_set_bus_client(bus, true), "client");
    floor_check(sd_bus_start(bus), "start");
    floor_serve(bus, event);
    floor_check(sd_bus_request_name(bus, FLOOR_NAME, 0), "name");
}

int main(int argc, char **argv)
{
    sd_event *event = NULL;

    if (argc != 3) {
        (void)fprintf(stderr, "usage: %s ADDRESS SOCKET\n", argv[0]);
        return 2;
    }
    floor_check(sd_event_new(&event), "loop");
    floor_connect(event, argv[1]);
    floor_listen(event, argv[2]);
    floor_check(puts("ready") < 0 || fflush(stdout) != 0 ? -errno : 0, "stdout");
    return sd_event_loop(event) < 0;
}
