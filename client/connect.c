/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bus and the private socket look the same from here: the private socket answers Hello like a bus
 * and ignores destinations. */

#include "connect.h"

#include "base/errors.h"

#include <string.h>
#include <unistd.h>

static sd_bus *connect_finish(sd_bus *bus, int r, const char *what, GError **error)
{
    if (r >= 0) {
        /* Where polkit decides, it may ask a person. */
        (void)sd_bus_set_allow_interactive_authorization(bus, isatty(STDIN_FILENO) == 1);
        return bus;
    }
    sd_bus_close_unref(bus);
    (void)error_set_errno(error, r, "%s", what);
    return NULL;
}

/* what: how the error calls it. */
static sd_bus *connect_address(const char *address, const char *what, GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_new(&bus);

    if (r >= 0)
        r = sd_bus_set_address(bus, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(bus, true);
    if (r >= 0)
        r = sd_bus_start(bus);
    return connect_finish(bus, r, what, error);
}

static sd_bus *connect_system(GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_system(&bus);

    return connect_finish(bus, r, "system bus", error);
}

static sd_bus *connect_user(GError **error)
{
    sd_bus *bus = NULL;
    int r = sd_bus_open_user(&bus);

    return connect_finish(bus, r, "session bus", error);
}

/* "unix:path=" with what the D-Bus Specification ("Server Addresses") wants escaped. */
static char *connect_path_address(const char *path)
{
    GString *address = g_string_new("unix:path=");

    for (; *path != '\0'; path++) {
        if (g_ascii_isalnum(*path) || strchr("-_/.*", *path) != NULL)
            g_string_append_c(address, *path);
        else
            g_string_append_printf(address, "%%%02x", (unsigned char)*path);
    }
    return g_string_free(address, FALSE);
}

static sd_bus *connect_private(GError **error)
{
    const char *directory = geteuid() == 0 ? "/run" : g_getenv("XDG_RUNTIME_DIR");

    if (directory == NULL) {
        (void)error_set(error, ERROR_FAILED, "private socket: XDG_RUNTIME_DIR is not set");
        return NULL;
    }
    g_autofree char *path = g_build_filename(directory, "svcmgr", "private", NULL);
    g_autofree char *address = connect_path_address(path);

    return connect_address(address, path, error);
}

static bool connect_has_daemon(sd_bus *bus)
{
    return sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                              "org.freedesktop.DBus", "GetNameOwner", NULL, NULL, "s",
                              DAEMON_NAME) >= 0;
}

static sd_bus *connect_anywhere(GError **error)
{
    g_autoptr(GError) bus_error = NULL;
    g_autoptr(GError) private_error = NULL;
    sd_bus *bus = geteuid() == 0 ? connect_system(&bus_error) : connect_user(&bus_error);

    if (bus != NULL && connect_has_daemon(bus))
        return bus;
    sd_bus *private = connect_private(&private_error);
    if (private != NULL) {
        sd_bus_close_unref(bus);
        return private;
    }
    if (bus != NULL)
        return bus; /* a call may still activate the daemon */
    (void)error_set(error, ERROR_FAILED, "%s; %s", bus_error->message, private_error->message);
    return NULL;
}

bool connect_daemon(Client *client, GError **error)
{
    const ClientOptions *options = &client->options;

    if (options->address != NULL && options->address[0] == '/') {
        g_autofree char *address = connect_path_address(options->address);
        client->bus = connect_address(address, options->address, error);
    } else if (options->address != NULL) {
        client->bus = connect_address(options->address, options->address, error);
    } else if (options->system) {
        client->bus = connect_system(error);
    } else if (options->user) {
        client->bus = connect_user(error);
    } else {
        client->bus = connect_anywhere(error);
    }
    return client->bus != NULL;
}

void connect_close(Client *client)
{
    client->bus = sd_bus_close_unref(client->bus);
}
