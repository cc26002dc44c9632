/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A svcmgrd that gives what the real one gives too seldom for a test: short answers of GetEvents,
 * forgotten events, and hostile text. It owns the name on the bus of argv[1] and says "ready". Each
 * line of its standard input, "PAGE OLDEST NEWEST TYPE", says how many events an answer may hold,
 * which are kept and what type they all have, and signals the newest. It ends with its standard
 * input. */

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-bus.h>
#include <systemd/sd-event.h>
#include <unistd.h>

#define COUNTERFEIT_NAME "org.svcmgr1"
#define COUNTERFEIT_PATH "/org/svcmgr1"
#define COUNTERFEIT_INTERFACE "org.svcmgr1.Manager"
#define COUNTERFEIT_RED "\033[31m"
#define COUNTERFEIT_PID UINT32_C(1) /* its parent is no svcmgrd */

typedef struct Counterfeit {
    sd_bus *bus;
    uint64_t page;
    uint64_t oldest;
    uint64_t newest;
    char type[32];
} Counterfeit;

/* Of a service with threads, in no cgroup; the other property that is asked for is the instance. */
static int counterfeit_property(const Counterfeit *self, sd_bus_message *call,
                                sd_bus_message *reply)
{
    const char *name;
    int r = sd_bus_message_read(call, "ss", NULL, &name);

    if (r < 0)
        return r;
    if (strcmp(name, "Usage") != 0)
        return sd_bus_message_append(reply, "v", "s", "counterfeit");
    return sd_bus_message_append(reply, "v", "a{sv}", 6, "processes", "t", UINT64_C(1), "tasks",
                                 "t", UINT64_C(3), "memory_bytes", "t", UINT64_C(5452595),
                                 "memory_peak_bytes", "t", UINT64_C(6291456), "cpu_usec", "t",
                                 UINT64_C(1200000), "source", "s", "proc");
}

static int counterfeit_properties(const Counterfeit *self, sd_bus_message *call,
                                  sd_bus_message *reply)
{
    return sd_bus_message_append(
            reply, "a{sv}", 13, "Id", "s", "evil", "Kind", "s", "process", "State", "s", "failed",
            "Error", "s", COUNTERFEIT_RED "error", "Features", "as", 2, "cgroup",
            "cgroup." COUNTERFEIT_RED "feature", "MainPID", "u", COUNTERFEIT_PID, "ExitSignal", "s",
            COUNTERFEIT_RED "signal", "CoreDumped", "b", 1, "ControlGroup", "s",
            COUNTERFEIT_RED "group", "FailureClass", "s", COUNTERFEIT_RED "class", "StorageError",
            "s", COUNTERFEIT_RED "disk", "DefinitionPath", "s", COUNTERFEIT_RED "path",
            COUNTERFEIT_RED "name", "s", "value");
}

static int counterfeit_config(const Counterfeit *self, sd_bus_message *call, sd_bus_message *reply)
{
    return sd_bus_message_append(reply, "st", "{}", UINT64_C(1));
}

static int counterfeit_revisions(const Counterfeit *self, sd_bus_message *call,
                                 sd_bus_message *reply)
{
    return sd_bus_message_append(reply, "aa{sv}", 1, 2, "source", "s", COUNTERFEIT_RED "source",
                                 "digest", "s", COUNTERFEIT_RED "digest");
}

/* The option that it was given, if any, is the id that is "unchanged". */
static int counterfeit_reload(const Counterfeit *self, sd_bus_message *call, sd_bus_message *reply)
{
    const char *unchanged = "none";
    int is_on;
    int r = sd_bus_message_enter_container(call, 'a', "{sv}");

    if (r >= 0 && sd_bus_message_at_end(call, 0) == 0)
        r = sd_bus_message_read(call, "{sv}", &unchanged, "b", &is_on);
    if (r < 0)
        return r;
    return sd_bus_message_append(reply, "a{sv}", 4, "created", "as", 1, COUNTERFEIT_RED "id",
                                 "changed", "s", "not a list", "unchanged", "as", 1, unchanged,
                                 "failed", "a{ss}", 1, COUNTERFEIT_RED "id",
                                 COUNTERFEIT_RED "reason");
}

static int counterfeit_events(const Counterfeit *self, sd_bus_message *call, sd_bus_message *reply)
{
    uint64_t after;
    uint32_t max;
    int r = sd_bus_message_read(call, "tu", &after, &max);
    uint64_t serial = after + 1 > self->oldest ? after + 1 : self->oldest;
    uint64_t n = max != 0 && max < self->page ? max : self->page;

    if (r >= 0)
        r = sd_bus_message_append(reply, "tt", self->oldest, self->newest);
    if (r >= 0)
        r = sd_bus_message_open_container(reply, 'a', "a{sv}");
    for (; r >= 0 && n > 0 && serial <= self->newest; serial++, n--)
        r = sd_bus_message_append(reply, "a{sv}", 4, "serial", "t", serial, "time", "t", serial,
                                  "type", "s", self->type, "id", "s", "web");
    return r < 0 ? r : sd_bus_message_close_container(reply);
}

/* One service, whose state came of the last event that is forgotten. */
static int counterfeit_services(const Counterfeit *self, sd_bus_message *call,
                                sd_bus_message *reply)
{
    return sd_bus_message_append(reply, "aa{sv}s", 1, 4, "Id", "s", "web", "State", "s", "active",
                                 "StateSerial", "t", self->oldest - 1, "LastTransition", "a{sv}", 2,
                                 "from", "s", "starting", "to", "s", "active", "");
}

static const struct {
    const char *member;
    int (*answer)(const Counterfeit *self, sd_bus_message *call, sd_bus_message *reply);
} counterfeit_members[] = {
        {"Get", counterfeit_property},
        {"GetAll", counterfeit_properties},
        {"GetEvents", counterfeit_events},
        {"GetConfig", counterfeit_config},
        {"ListConfigRevisions", counterfeit_revisions},
        {"ReloadDefinitions", counterfeit_reload},
        {"ListServices", counterfeit_services},
};

static int on_counterfeit_message(sd_bus_message *call, void *data, sd_bus_error *ret_error)
{
    sd_bus_message *reply = NULL;
    int r = -EBADR;

    if (!sd_bus_message_is_method_call(call, NULL, NULL))
        return 0;
    for (size_t i = 0; i < sizeof(counterfeit_members) / sizeof(*counterfeit_members); i++) {
        if (strcmp(sd_bus_message_get_member(call), counterfeit_members[i].member) != 0)
            continue;
        r = sd_bus_message_new_method_return(call, &reply);
        if (r >= 0)
            r = counterfeit_members[i].answer(data, call, reply);
        if (r >= 0)
            r = sd_bus_send(NULL, reply, NULL);
        sd_bus_message_unref(reply);
        break;
    }
    return r < 0 ? r : 1;
}

static int counterfeit_set(Counterfeit *self, const char *line)
{
    if (sscanf(line, "%" SCNu64 "%" SCNu64 "%" SCNu64 "%31s", &self->page, &self->oldest,
               &self->newest, self->type) != 4)
        return -EINVAL;
    return sd_bus_emit_signal(self->bus, COUNTERFEIT_PATH, COUNTERFEIT_INTERFACE, "Event",
                              "ttssa{sv}", self->newest, self->newest, self->type, "web", 0);
}

static int on_counterfeit_input(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    char text[4096];
    char *rest = NULL;
    ssize_t n = read(fd, text, sizeof(text) - 1); /* whole lines: each is written at once */
    int r = 0;

    if (n <= 0)
        return sd_event_exit(sd_event_source_get_event(source), 0);
    text[n] = '\0';
    for (char *line = strtok_r(text, "\n", &rest); line != NULL && r >= 0;
         line = strtok_r(NULL, "\n", &rest))
        r = counterfeit_set(data, line);
    return r;
}

static int counterfeit_open(Counterfeit *self, sd_event *loop, const char *address)
{
    int r = sd_bus_new(&self->bus);

    if (r >= 0)
        r = sd_bus_set_address(self->bus, address);
    if (r >= 0)
        r = sd_bus_set_bus_client(self->bus, 1);
    if (r >= 0)
        r = sd_bus_start(self->bus);
    if (r >= 0)
        r = sd_bus_add_filter(self->bus, NULL, on_counterfeit_message, self);
    if (r >= 0)
        r = sd_bus_request_name(self->bus, COUNTERFEIT_NAME, 0);
    if (r >= 0)
        r = sd_bus_attach_event(self->bus, loop, SD_EVENT_PRIORITY_NORMAL);
    return r;
}

int main(int argc, char **argv)
{
    Counterfeit self = {.page = 1, .oldest = 1, .newest = 1, .type = "Created"};
    sd_event *loop = NULL;
    int r = argc == 2 ? sd_event_new(&loop) : -EINVAL;

    if (r >= 0)
        r = counterfeit_open(&self, loop, argv[1]);
    if (r >= 0)
        r = sd_event_add_io(loop, NULL, STDIN_FILENO, EPOLLIN, on_counterfeit_input, &self);
    if (r >= 0) {
        puts("ready");
        fflush(stdout);
        r = sd_event_loop(loop);
    }
    if (r < 0)
        fprintf(stderr, "counterfeit: %s\n", strerror(-r));
    sd_bus_flush_close_unref(self.bus);
    sd_event_unref(loop);
    return r < 0 ? 1 : 0;
}
