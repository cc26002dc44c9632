/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Everything is read off the properties; nothing of the daemon's rules is known here, save which of
 * its times belongs to which state. */

#include "record.h"

#include "text.h"

#include <pwd.h>
#include <string.h>

#define RECORD_NAMES_MAX 3 /* the others: svcmgr status */

uint64_t record_since(const json_t *record)
{
    static const struct {
        const char *state;
        const char *times[2]; /* the later one counts */
    } since[] = {
            {"inactive", {"LastInactiveTime", NULL}},
            {"failed", {"LastInactiveTime", "LastErrorTime"}},
            {"starting", {"LastLoadingStartTime", NULL}},
            {"active", {"LastActiveTime", "LastLoadingEndTime"}},
            {"backoff", {"LastErrorTime", NULL}},
    };
    const char *state = value_string(record, "State");
    uint64_t time = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(since); i++) {
        for (size_t k = 0; g_str_equal(since[i].state, state) && k < 2; k++) {
            const char *name = since[i].times[k];
            time = MAX(time, name != NULL ? value_unsigned(record, name) : 0);
        }
    }
    return time != 0 ? time : value_unsigned(json_object_get(record, "LastTransition"), "time");
}

char *record_state(const json_t *record)
{
    const char *state = value_string(record, "State");
    const char *sub_state = value_string(record, "SubState");

    if (sub_state[0] == '\0' || g_str_equal(state, sub_state))
        return g_strdup(state);
    return g_strdup_printf("%s (%s)", state, sub_state);
}

char *record_next_attempt(const json_t *record, uint64_t now)
{
    uint64_t next = value_unsigned(record, "NextAttemptTime");

    if (next == 0)
        return NULL;
    return next > now ? text_ago(next, now) : g_strdup("now");
}

char *record_attempts(const json_t *record, uint64_t now)
{
    uint64_t failed = value_unsigned(record, "FailedAttempts");
    uint64_t most = value_unsigned(record, "MaxAttempts");

    if (failed == 0)
        return NULL;
    g_autofree char *next = record_next_attempt(record, now);
    g_autofree char *of = most > 0 ? g_strdup_printf(" of %" G_GUINT64_FORMAT, most) : g_strdup("");
    g_autofree char *times = failed == 1 && most == 0
                                     ? g_strdup("once")
                                     : g_strdup_printf("%" G_GUINT64_FORMAT "%s times", failed, of);
    return g_strdup_printf("failed %s%s%s", times, next != NULL ? ", next " : "",
                           next != NULL ? next : "");
}

char *record_names(const json_t *ids, size_t most)
{
    GString *text = g_string_new(NULL);
    size_t n = json_array_size(ids);
    size_t index;
    const json_t *id;

    json_array_foreach(ids, index, id)
    {
        if (index < most)
            g_string_append_printf(text, "%s%s", index > 0 ? ", " : "", json_string_value(id));
    }
    if (n > most)
        g_string_append_printf(text, " and %zu more", n - most);
    return g_string_free(text, FALSE);
}

char *record_waits(const char *state, const char *sub_state, const json_t *waiting_for)
{
    bool is_stop = g_str_equal(state, "stopping");

    if (g_str_equal(state, "waiting") && g_str_equal(sub_state, "queued"))
        return g_strdup("waits for its turn");
    if (json_array_size(waiting_for) == 0 || (!is_stop && !g_str_equal(state, "waiting")))
        return NULL;
    g_autofree char *names = record_names(waiting_for, RECORD_NAMES_MAX);
    return g_strdup_printf("waits for %s%s", names, is_stop ? " to stop" : "");
}

char *record_state_waits(const char *state, const char *sub_state, const json_t *waiting_for)
{
    g_autofree char *waits = record_waits(state, sub_state, waiting_for);

    if (waits == NULL)
        return g_strdup(state);
    if (g_str_equal(state, "waiting"))
        return g_strdup_printf("waiting%s", waits + strlen("waits"));
    return g_strdup_printf("%s, %s", state, waits);
}

static char *record_user(uint64_t uid)
{
    const struct passwd *user = getpwuid((uid_t)uid);

    return user != NULL ? g_strdup(user->pw_name) : g_strdup_printf("uid %" G_GUINT64_FORMAT, uid);
}

/* The names of some causes say less than is known. */
static const char *record_cause_words(const json_t *transition)
{
    const char *cause = value_string(transition, "cause");
    const char *from = value_string(transition, "from");
    const char *to = value_string(transition, "to");

    if (g_str_equal(to, "reloading") && !g_str_equal(from, to) && g_str_equal(cause, "kind"))
        return "by itself";
    if (g_str_equal(from, "reloading") && g_str_equal(to, "active") &&
        *value_string(transition, "error") != '\0')
        return "reload failed";
    return cause;
}

/* What others do to a service has a person behind it, too, though no method of that service. */
char *record_cause(const json_t *transition)
{
    const char *method = value_string(transition, "method");
    const char *what = method[0] != '\0' ? method : record_cause_words(transition);
    const char *comm = value_string(transition, "comm");
    uint64_t pid = value_unsigned(transition, "pid");

    if (json_object_get(transition, "uid") == NULL)
        return g_strdup(what);
    g_autofree char *user = record_user(value_unsigned(transition, "uid"));
    if (pid == 0)
        return g_strdup_printf("%s by %s", what, user);
    return g_strdup_printf("%s by %s (%s%spid %" G_GUINT64_FORMAT ")", what, user, comm,
                           comm[0] != '\0' ? ", " : "", pid);
}
