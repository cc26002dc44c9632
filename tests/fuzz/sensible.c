/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sensible.h"

#include "nasty.h"
#include "support/client.h"

#include <signal.h>

#define SENSIBLE_PROPERTIES "org.freedesktop.DBus.Properties"

static const char *const sensible_kinds[] = {"process", "oneshot", NULL};
static const char *const sensible_untils[] = {"settled", "active", "inactive", "ready", NULL};
static const char *const sensible_whoms[] = {"main", "all", NULL};
static const char *const sensible_formats[] = {"text", "json", "bare", NULL};
static const char *const sensible_patterns[] = {"*", "w*", "?", "[!a-m]*", "*.*", "x", NULL};
static const char *const sensible_fields[] = {"Id",      "State",          "Error", "Labels",
                                              "MainPID", "LastTransition", NULL};
static const char *const sensible_properties[] = {
        "Id", "State", "Labels", "LastTransition", "NextAttemptTime", "ConfigDigest", NULL};
static const char *const sensible_interfaces[] = {CLIENT_SERVICE, CLIENT_PROCESS, NULL};

static int sensible_append_nothing(sd_bus_message *message)
{
    return 0;
}

static int sensible_append_create(sd_bus_message *message)
{
    return sd_bus_message_append(message, "sssa{sv}", nasty_pick(nasty_ids),
                                 nasty_pick(sensible_kinds), nasty_pick(nasty_configs), 3, "start",
                                 "b", (int)nasty_random(2), "description", "s", "made at random",
                                 "labels", "a{ss}", 1, "tier", nasty_pick(nasty_ids));
}

static int sensible_append_delete(sd_bus_message *message)
{
    return sd_bus_message_append(message, "sa{sv}", nasty_pick(nasty_ids), 1, "allow_missing", "b",
                                 (int)nasty_random(2));
}

static int sensible_append_list(sd_bus_message *message)
{
    return sd_bus_message_append(message, "a{sv}", 3, "pattern", "s", nasty_pick(sensible_patterns),
                                 "limit", "u", nasty_random(5), "fields", "as", 2,
                                 nasty_pick(sensible_fields), "Id");
}

static int sensible_append_events(sd_bus_message *message)
{
    return sd_bus_message_append(message, "tu", (uint64_t)nasty_random(5000), nasty_random(100));
}

static int sensible_append_validate(sd_bus_message *message)
{
    return sd_bus_message_append(message, "ss", nasty_pick(sensible_kinds),
                                 nasty_pick(nasty_configs));
}

static int sensible_append_kind(sd_bus_message *message)
{
    return sd_bus_message_append(message, "s", nasty_pick(sensible_kinds));
}

static int sensible_append_id(sd_bus_message *message)
{
    return sd_bus_message_append(message, "s", nasty_pick(nasty_ids));
}

static int sensible_append_config(sd_bus_message *message)
{
    return sd_bus_message_append(message, "s", nasty_pick(nasty_configs));
}

static int sensible_append_wait(sd_bus_message *message)
{
    return sd_bus_message_append(message, "a{sv}", 2, "until", "s", nasty_pick(sensible_untils),
                                 "timeout_usec", "t", (uint64_t)nasty_random(50000));
}

static int sensible_append_signal(sd_bus_message *message)
{
    static const int signals[] = {SIGKILL, SIGTERM, SIGHUP, SIGSTOP, SIGCONT, SIGUSR1, SIGSEGV};

    return sd_bus_message_append(message, "si", nasty_pick(sensible_whoms),
                                 signals[nasty_random(G_N_ELEMENTS(signals))]);
}

static int sensible_append_get(sd_bus_message *message)
{
    return sd_bus_message_append(message, "ss", CLIENT_SERVICE, nasty_pick(sensible_properties));
}

static int sensible_append_get_all(sd_bus_message *message)
{
    return sd_bus_message_append(message, "s", nasty_pick(sensible_interfaces));
}

static int sensible_append_open_log(sd_bus_message *message)
{
    return sd_bus_message_append(message, "a{sv}", 3, "lines", "u", nasty_random(100), "follow",
                                 "b", (int)nasty_random(2), "format", "s",
                                 nasty_pick(sensible_formats));
}

static int sensible_append_batch(sd_bus_message *message)
{
    return sd_bus_message_append(message, "asa{sv}", 2, nasty_pick(nasty_ids),
                                 nasty_pick(nasty_ids), 2, "ordered", "b", (int)nasty_random(2),
                                 "dry_run", "b", (int)nasty_random(2));
}

static int sensible_append_graph(sd_bus_message *message)
{
    return sd_bus_message_append(message, "a{sv}", 2, "ids", "as", 1, nasty_pick(nasty_ids),
                                 "reverse", "b", (int)nasty_random(2));
}

/* What stands here more than once comes more often. */
static const SensibleCall sensible_calls[] = {
        {CLIENT_ROOT, CLIENT_MANAGER, "CreateService", sensible_append_create},
        {CLIENT_ROOT, CLIENT_MANAGER, "CreateService", sensible_append_create},
        {CLIENT_ROOT, CLIENT_MANAGER, "CreateService", sensible_append_create},
        {CLIENT_ROOT, CLIENT_MANAGER, "DeleteService", sensible_append_delete},
        {CLIENT_ROOT, CLIENT_MANAGER, "ListServices", sensible_append_list},
        {CLIENT_ROOT, CLIENT_MANAGER, "GetEvents", sensible_append_events},
        {CLIENT_ROOT, CLIENT_MANAGER, "ValidateConfig", sensible_append_validate},
        {CLIENT_ROOT, CLIENT_MANAGER, "GetKindSchema", sensible_append_kind},
        {CLIENT_ROOT, CLIENT_MANAGER, "GetService", sensible_append_id},
        {CLIENT_ROOT, CLIENT_MANAGER, "StartServices", sensible_append_batch},
        {CLIENT_ROOT, CLIENT_MANAGER, "StopServices", sensible_append_batch},
        {CLIENT_ROOT, CLIENT_MANAGER, "GetDependencyGraph", sensible_append_graph},
        {NULL, CLIENT_SERVICE, "Start", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "Start", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "Stop", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "Restart", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "Reload", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "ResetFailed", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "GetState", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "GetConfig", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "OpenLog", sensible_append_open_log},
        {NULL, CLIENT_SERVICE, "GetFailureReport", sensible_append_nothing},
        {NULL, CLIENT_SERVICE, "Configure", sensible_append_config},
        {NULL, CLIENT_SERVICE, "Wait", sensible_append_wait},
        {NULL, CLIENT_SERVICE, "Signal", sensible_append_signal},
        {NULL, SENSIBLE_PROPERTIES, "Get", sensible_append_get},
        {NULL, SENSIBLE_PROPERTIES, "GetAll", sensible_append_get_all},
};

const SensibleCall *sensible_pick(void)
{
    return &sensible_calls[nasty_random(G_N_ELEMENTS(sensible_calls))];
}
