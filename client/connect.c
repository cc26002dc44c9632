/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus and the private socket look the same from here: the private socket answers Hello like a bus
 * and ignores destinations. sd-bus authenticates in the background, and gives it 90 s; here it is
 * waited for, so that a peer that says nothing is found out and said in time. */

#include "connect.h"

#include "base/address.h"
#include "base/clock.h"
#include "base/errors.h"
#include "base/parse.h"

#include <errno.h>
#include <unistd.h>

/* As long as sd-bus waits for the answer to a call. */
#define CONNECT_MAX (25 * USEC_PER_SEC)

typedef struct Connect {
    uint64_t timeout_usec;
    uint64_t deadline_usec; /* monotonic; for everything that is tried */
} Connect;

/* Until Hello is answered. -ETIMEDOUT at the deadline. */
static int connect_await(const Connect *connect, sd_bus *bus)
{
    int r;

    while ((r = sd_bus_is_ready(bus)) == 0) {
        uint64_t now = clock_monotonic_usec(clock_system());

        r = sd_bus_process(bus, NULL);
        if (r > 0)
            continue;
        if (r == 0 && now >= connect->deadline_usec)
            return -ETIMEDOUT;
        if (r == 0)
            r = sd_bus_wait(bus, connect->deadline_usec - now);
        if (r < 0 && r != -EINTR)
            return r;
    }
    return r < 0 ? r : 0;
}

static bool connect_set_error(const Connect *connect, int r, const char *what, GError **error)
{
    g_autofree char *duration = format_duration(connect->timeout_usec);

    if (r == -ETIMEDOUT)
        return error_set(error, ERROR_TIMEOUT, "%s: no answer within %s", what, duration);
    if (r == -ECONNRESET || r == -EPIPE || r == -ENOTCONN)
        return error_set(error, ERROR_FAILED,
                         "%s: it hung up before it answered; it may have too many connections",
                         what);
    if (r == -EAGAIN) /* connect(2) of a socket whose queue is full */
        return error_set(error, ERROR_FAILED, "%s: too many connections wait there", what);
    return error_set_errno(error, r, "%s", what);
}

/* Takes bus, whose start ended with r. what: how the error calls it. */
static sd_bus *connect_finish(const Connect *connect, sd_bus *bus, int r, const char *what,
                              GError **error)
{
    if (r >= 0)
        r = connect_await(connect, bus);
    if (r >= 0) {
        /* Where polkit decides, it may ask a person. */
        (void)sd_bus_set_allow_interactive_authorization(bus, isatty(STDIN_FILENO) == 1);
        return bus;
    }
    sd_bus_close_unref(bus);
    (void)connect_set_error(connect, r, what, error);
    return NULL;
}

/* what: how the error calls it. */
static sd_bus *connect_address(const Connect *connect, const char *address, const char *what,
                               GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    return connect_finish(connect, bus, r, what, error);
}

static sd_bus *connect_system(const Connect *connect, GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_system(&bus);

    return connect_finish(connect, bus, r, "system bus", error);
}

static sd_bus *connect_user(const Connect *connect, GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_user(&bus);

    return connect_finish(connect, bus, r, "session bus", error);
}

static sd_bus *connect_path(const Connect *connect, const char *path, GError **error)
{
    g_autofree char *escaped = address_escape(path);
    g_autofree char *address = g_strdup_printf("unix:path=%s", escaped);

    return connect_address(connect, address, path, error);
}

static sd_bus *connect_private(const Connect *connect, GError **error)
{
    const char *directory = geteuid() == 0 ? "/run" : g_getenv("XDG_RUNTIME_DIR");

    if (directory == NULL) {
        (void)error_set(error, ERROR_FAILED, "private socket: XDG_RUNTIME_DIR is not set");
        return NULL;
    }
    g_autofree char *path = g_build_filename(directory, "svcmgr", "private", NULL);

    return connect_path(connect, path, error);
}

static bool connect_has_daemon(const Connect *connect, sd_bus *bus)
{
    (void)sd_bus_set_method_call_timeout(bus, connect->timeout_usec); /* fails only after a fork */
    bool has_daemon = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                         "org.freedesktop.DBus", "GetNameOwner", NULL, NULL, "s",
                                         DAEMON_NAME) >= 0;
    (void)sd_bus_set_method_call_timeout(bus, 0); /* the usual one */
    return has_daemon;
}

static sd_bus *connect_anywhere(const Connect *connect, GError **error)
{
    g_autoptr(GError) bus_error = NULL;
    g_autoptr(GError) private_error = NULL;
    sd_bus *bus = geteuid() == 0 ? connect_system(connect, &bus_error)
                                 : connect_user(connect, &bus_error);

    if (bus != NULL && connect_has_daemon(connect, bus))
        return bus;
    sd_bus *private = connect_private(connect, &private_error);
    if (private != NULL) {
        sd_bus_close_unref(bus);
        return private;
    }
    if (bus != NULL)
        return bus; /* a call may still activate the daemon */
    bool timed_out = error_is(bus_error, ERROR_TIMEOUT) || error_is(private_error, ERROR_TIMEOUT);
    (void)error_set(error, timed_out ? ERROR_TIMEOUT : ERROR_FAILED, "%s; %s", bus_error->message,
                    private_error->message);
    return NULL;
}

bool connect_daemon(Client *client, GError **error)
{
    const ClientOptions *options = &client->options;
    Connect connect = {.timeout_usec = MIN(client->timeout_usec, CONNECT_MAX)};

    connect.deadline_usec = usec_add(clock_monotonic_usec(clock_system()), connect.timeout_usec);
    if (options->address != NULL && options->address[0] == '/') {
        client->bus = connect_path(&connect, options->address, error);
    } else if (options->address != NULL) {
        client->bus = connect_address(&connect, options->address, options->address, error);
    } else if (options->system) {
        client->bus = connect_system(&connect, error);
    } else if (options->user) {
        client->bus = connect_user(&connect, error);
    } else {
        client->bus = connect_anywhere(&connect, error);
    }
    if (client->bus == NULL)
        return false;
    (void)sd_bus_set_allow_interactive_authorization(
            client->bus, !options->no_ask_password); /* cannot fail: it is ours */
    return true;
}

void connect_close(Client *client)
{
    client->bus = sd_bus_close_unref(client->bus);
}
