/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The name of a program is the kernel's to tell, not the daemon's; a number that means another
 * process here than there (the daemon is in another PID namespace) is told by its parent. */

#include "process.h"

#include "call.h"
#include "text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define PROCESS_INTERFACE "org.svcmgr1.Process"
#define PROCESS_USAGE "Usage"
#define PROCESS_DAEMON "svcmgrd"

/* Asking */

static bool process_is_there(const json_t *properties)
{
    return json_object_get(properties, "MainPID") != NULL;
}

bool process_ask_usage(Client *client, const char *id, const json_t *properties,
                       sd_bus_message_handler_t on_reply, void *data)
{
    CallTarget target = {.id = id, .interface = PROPERTIES_INTERFACE, .member = "Get"};

    return process_is_there(properties) &&
           call_async(client, &target, on_reply, data, "ss", PROCESS_INTERFACE, PROCESS_USAGE) ==
                   OUTCOME_DONE;
}

void process_take_usage(sd_bus_message *reply, json_t *properties)
{
    json_t *usage = NULL;

    if (sd_bus_message_get_error(reply) == NULL && value_read(reply, &usage) >= 0)
        (void)json_object_set_new(properties, PROCESS_USAGE, usage); /* fails only without memory */
}

void process_add_usage(const Client *client, const char *id, json_t *properties)
{
    g_autofree char *path = call_service_path(id);
    sd_bus_message *reply = NULL;
    json_t *usage = NULL;

    if (process_is_there(properties) &&
        sd_bus_get_property(client->bus, DAEMON_NAME, path, PROCESS_INTERFACE, PROCESS_USAGE, NULL,
                            &reply, "a{sv}") >= 0 &&
        value_read(reply, &usage) >= 0)
        (void)json_object_set_new(properties, PROCESS_USAGE, usage); /* fails only without memory */
    sd_bus_message_unref(reply);
}

/* The main process, and how it ended */

/* Without the newline at its end; NULL: there is none, or it is not for us. */
static char *process_read_comm(uint64_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" PRIu64 "/comm", pid);
    char *comm = NULL;

    return g_file_get_contents(path, &comm, NULL, NULL) ? g_strchomp(comm) : NULL;
}

/* See proc(5), stat: the name may hold anything, so it is skipped from behind. 0: not known. */
static uint64_t process_read_parent(uint64_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" PRIu64 "/stat", pid);
    g_autofree char *stat = NULL;
    uint64_t parent = 0;
    const char *after;

    if (!g_file_get_contents(path, &stat, NULL, NULL))
        return 0;
    after = strrchr(stat, ')');
    return after != NULL && sscanf(after, ") %*c %" SCNu64, &parent) == 1 ? parent : 0;
}

/* All that runs is the daemon's child: it adopts what loses its parent. */
static char *process_find_name(uint64_t pid)
{
    uint64_t parent = process_read_parent(pid);
    g_autofree char *daemon = parent != 0 ? process_read_comm(parent) : NULL;

    return g_strcmp0(daemon, PROCESS_DAEMON) == 0 ? process_read_comm(pid) : NULL;
}

char *process_text_main(const json_t *service)
{
    uint64_t pid = value_unsigned(service, "MainPID");

    if (pid == 0)
        return NULL;
    g_autofree char *name = process_find_name(pid);
    g_autofree char *escaped = text_escape(name != NULL ? name : "");
    return g_strdup_printf("%" PRIu64 "%s%s%s", pid, name != NULL ? " (" : "", escaped,
                           name != NULL ? ")" : "");
}

char *process_text_exit(const json_t *service)
{
    const char *signal = value_string(service, "ExitSignal");
    const json_t *code = json_object_get(service, "ExitCode");

    g_autofree char *escaped = text_escape(signal);

    if (signal[0] != '\0')
        return g_strdup_printf("killed by %s%s", escaped,
                               value_boolean(service, "CoreDumped") ? ", core dumped" : "");
    if (!json_is_integer(code) || json_integer_value(code) < 0)
        return NULL;
    return g_strdup_printf("code %" JSON_INTEGER_FORMAT, json_integer_value(code));
}

/* What it uses */

/* NULL: nothing runs, or that is not known. */
static const json_t *process_usage(const json_t *service)
{
    const json_t *usage = json_object_get(service, PROCESS_USAGE);

    return value_unsigned(usage, "processes") > 0 ? usage : NULL;
}

/* Threads count as tasks; where there are none but the processes themselves, one number is enough.
 */
char *process_text_tasks(const json_t *service)
{
    const json_t *usage = process_usage(service);
    uint64_t n_processes = value_unsigned(usage, "processes");
    uint64_t n_tasks = value_unsigned(usage, "tasks");

    if (usage == NULL)
        return NULL;
    if (n_tasks == n_processes || n_tasks == 0)
        return g_strdup_printf("%" PRIu64, n_processes);
    return g_strdup_printf("%" PRIu64 " (%" PRIu64 " process%s)", n_tasks, n_processes,
                           n_processes == 1 ? "" : "es");
}

/* From /proc, what processes share counts for each of them. */
char *process_text_memory(const json_t *service)
{
    const json_t *usage = process_usage(service);
    uint64_t bytes = value_unsigned(usage, "memory_bytes");
    uint64_t peak = value_unsigned(usage, "memory_peak_bytes");

    if (bytes == 0)
        return NULL;
    g_autofree char *now = text_bytes(bytes);
    g_autofree char *most = text_bytes(peak);
    bool is_summed = g_str_equal(value_string(usage, "source"), "proc");
    return g_strdup_printf("%s%s%s%s%s", now, is_summed ? " resident" : "",
                           peak > 0 ? " (peak " : "", peak > 0 ? most : "", peak > 0 ? ")" : "");
}

char *process_text_cpu(const json_t *service)
{
    const json_t *usage = process_usage(service);

    return json_object_get(usage, "cpu_usec") != NULL ? text_span(value_unsigned(usage, "cpu_usec"))
                                                      : NULL;
}

/* It is gone with what was in it. */
char *process_text_cgroup(const json_t *service)
{
    const char *path = value_string(service, "ControlGroup");

    return path[0] != '\0' && process_usage(service) != NULL ? text_escape(path) : NULL;
}
