/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trouble.h"

#include "base/fds.h"
#include "run/lifecycle.h"

#include <glib/gstdio.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* Texts */

void assert_contains(const char *text, const char *part)
{
    if (strstr(text, part) == NULL)
        g_error("expected \"%s\" in: %s", part, text);
}

void assert_lacks(const char *text, const char *part)
{
    if (strstr(text, part) != NULL)
        g_error("expected no \"%s\" in: %s", part, text);
}

unsigned text_count(const char *text, const char *part)
{
    unsigned n = 0;

    for (const char *at = text; (at = strstr(at, part)) != NULL; at += strlen(part))
        n++;
    return n;
}

/* Files */

const char *trouble_path(DaemonFixture *fixture, const char *name)
{
    g_autofree char *path = g_build_filename(fixture->root, name, NULL);

    return daemon_fixture_option(fixture, "", path) + strlen("--=");
}

const char *trouble_write(DaemonFixture *fixture, const char *name, const char *text, mode_t mode)
{
    const char *path = trouble_path(fixture, name);
    g_autofree char *parent = g_path_get_dirname(path);

    g_assert_cmpint(g_mkdir_with_parents(parent, 0700), ==, 0);
    g_assert_true(g_file_set_contents(path, text, -1, NULL));
    g_assert_cmpint(chmod(path, mode), ==, 0);
    return path;
}

const char *trouble_script(DaemonFixture *fixture, const char *name, const char *text)
{
    g_autofree char *script = g_strconcat("#!/bin/sh\n", text, "\n", NULL);

    return trouble_write(fixture, name, script, 0755);
}

char *trouble_wait_log(DaemonFixture *fixture, const char *part)
{
    uint64_t deadline = test_now_usec() + DAEMON_PATIENCE_USEC;
    autofd int fd = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    char events[4096];

    g_assert_cmpint(inotify_add_watch(fd, fixture->log_path, IN_MODIFY), >=, 0);
    for (;;) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        char *log = daemon_fixture_log(fixture);
        uint64_t now = test_now_usec();

        if (strstr(log, part) != NULL)
            return log;
        g_free(log);
        if (now >= deadline)
            g_error("\"%s\" has not come into the log", part);
        (void)poll(&poll_fd, 1, (int)((deadline - now) / 1000)); /* the log says how it ended */
        (void)!read(fd, events, sizeof(events));
    }
}

/* Properties */

char *trouble_get(DaemonFixture *fixture, const char *id, const char *property)
{
    g_autofree char *path = client_service_path(id);

    return client_get_string(fixture->client, path, CLIENT_SERVICE, property);
}

void trouble_wait_active(DaemonFixture *fixture, const char *id)
{
    g_autofree char *path = client_service_path(id);

    (void)sd_bus_message_unref(client_call(fixture->client, path, CLIENT_SERVICE, "Wait", "a{sv}",
                                           1, "until", "s", "active")); /* always NULL */
}

char *trouble_get_manager(DaemonFixture *fixture, const char *property)
{
    return client_get_string(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, property);
}

/* Events */

TroubleEvents *trouble_events_new(void)
{
    TroubleEvents *events = g_new0(TroubleEvents, 1);

    events->names = g_ptr_array_new_with_free_func(g_free);
    events->serials = g_array_new(FALSE, FALSE, sizeof(uint64_t));
    return events;
}

void trouble_events_free(TroubleEvents *events)
{
    if (events == NULL)
        return;
    g_ptr_array_unref(events->names);
    g_array_unref(events->serials);
    g_free(events);
}

/* Transitions of services are counted only. */
static void trouble_events_add(TroubleEvents *events, uint64_t serial, const char *type,
                               const char *id)
{
    g_array_append_val(events->serials, serial);
    if (lifecycle_type_from_string(type) >= 0)
        g_ptr_array_add(events->names,
                        *id != '\0' ? g_strconcat(type, " ", id, NULL) : g_strdup(type));
}

static void trouble_events_read_one(TroubleEvents *events, sd_bus_message *message)
{
    const char *member, *type = "", *id = "";
    uint64_t serial = 0;

    while (sd_bus_message_enter_container(message, 'e', "sv") > 0) {
        g_assert_cmpint(sd_bus_message_read(message, "s", &member), >, 0);
        if (g_str_equal(member, "serial"))
            g_assert_cmpint(sd_bus_message_read(message, "v", "t", &serial), >, 0);
        else if (g_str_equal(member, "type"))
            g_assert_cmpint(sd_bus_message_read(message, "v", "s", &type), >, 0);
        else if (g_str_equal(member, "id"))
            g_assert_cmpint(sd_bus_message_read(message, "v", "s", &id), >, 0);
        else
            g_assert_cmpint(sd_bus_message_skip(message, "v"), >=, 0);
        g_assert_cmpint(sd_bus_message_exit_container(message), >=, 0);
    }
    trouble_events_add(events, serial, type, id);
}

void trouble_events_ask(TroubleEvents *events, Client *client)
{
    sd_bus_message *reply = client_call(client, CLIENT_ROOT, CLIENT_MANAGER, "GetEvents", "tu",
                                        (uint64_t)0, (uint32_t)0);

    g_assert_cmpint(sd_bus_message_skip(reply, "tt"), >=, 0);
    g_assert_cmpint(sd_bus_message_enter_container(reply, 'a', "a{sv}"), >, 0);
    while (sd_bus_message_enter_container(reply, 'a', "{sv}") > 0) {
        trouble_events_read_one(events, reply);
        g_assert_cmpint(sd_bus_message_exit_container(reply), >=, 0);
    }
    (void)sd_bus_message_unref(reply); /* always NULL */
}

void trouble_events_add_signals(TroubleEvents *events, Client *client)
{
    uint64_t known = events->serials->len > 0
                             ? g_array_index(events->serials, uint64_t, events->serials->len - 1)
                             : 0;

    for (unsigned i = 0; i < client->signals->len; i++) {
        sd_bus_message *message = g_ptr_array_index(client->signals, i);
        const char *type, *id;
        uint64_t serial, time;

        if (sd_bus_message_is_signal(message, CLIENT_MANAGER, "Event") <= 0)
            continue;
        g_assert_cmpint(sd_bus_message_rewind(message, 1), >=, 0);
        g_assert_cmpint(sd_bus_message_read(message, "ttss", &serial, &time, &type, &id), >, 0);
        if (serial > known)
            trouble_events_add(events, serial, type, id);
    }
}

/* "TIME svcmgrd[LEVEL]: Type hook: error", and of a service "TIME svcmgrd[LEVEL]: service 'id':
 * Type: error". */
static void trouble_events_read_line(TroubleEvents *events, const char *line)
{
    const char *text = strstr(line, "]: ");
    g_auto(GStrv) words = g_strsplit_set(text != NULL ? text + strlen("]: ") : "", " :'", -1);
    unsigned n = g_strv_length(words);
    bool is_of_service = n > 5 && g_str_equal(words[0], "service");
    unsigned at = is_of_service ? 5 : 0;

    if (n <= at || lifecycle_type_from_string(words[at]) < 0)
        return;
    trouble_events_add(events, 0, words[at],
                       is_of_service                                ? words[2]
                       : strstr(words[at], "Hook") != NULL && n > 1 ? words[1]
                                                                    : "");
}

void trouble_events_read_log(TroubleEvents *events, const char *log)
{
    g_auto(GStrv) lines = g_strsplit(log, "\n", -1);

    for (char **line = lines; *line != NULL; line++)
        trouble_events_read_line(events, *line);
}

char *trouble_events_to_string(const TroubleEvents *events)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < events->names->len; i++)
        g_string_append_printf(text, "%s\n", (const char *)g_ptr_array_index(events->names, i));
    return g_string_free(text, FALSE);
}

void trouble_events_assert_no_gap(const TroubleEvents *events)
{
    for (unsigned i = 1; i < events->serials->len; i++)
        g_assert_cmpuint(g_array_index(events->serials, uint64_t, i), ==,
                         g_array_index(events->serials, uint64_t, i - 1) + 1);
}
