/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The graceful stop: of a thousand services side by side, of one that hangs, and with every call
 * under way answered. */

#include "base/fds.h"
#include "lockers.h"
#include "support/daemon-fixture.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define STOP_NAME "org.svcmgr1"
#define STOP_SERVICES 1000
#define STOP_BY_HAND 20 /* the first so many */
#define STOP_LONGEST_MSEC 1000
#define STOP_SLOWEST_MSEC 2000 /* the last one */
#define STOP_RATIO 20          /* so much faster than one after the other, on any machine */
#define STOP_OPEN_MAX 500      /* the daemon takes a few more of one client */
#define STOP_PATIENCE_USEC (60 * USEC_PER_SEC)
#define STOP_NOTIFY ", \"readiness\": \"notify\""

/* A client that makes many calls at once, and hears the Events. */
typedef struct Stop {
    DaemonFixture *fixture;
    Lockers *lockers;
    sd_event *event;
    sd_bus *bus;
    const char *destination;
    unsigned n_open;
    GHashTable *answers; /* "MEMBER STATE" or "MEMBER ERROR" -> how often */
    GPtrArray *events;   /* "TYPE ID" */
} Stop;

static int on_stop_event(sd_bus_message *message, void *data, sd_bus_error *ret_error)
{
    Stop *stop = data;
    const char *type, *id;

    g_assert_cmpint(sd_bus_message_read(message, "ttss", NULL, NULL, &type, &id), >, 0);
    g_ptr_array_add(stop->events, g_strdup_printf("%s %s", type, id));
    return 0;
}

static void stop_connect(Stop *stop, bool is_private)
{
    g_autofree char *address = g_strdup_printf("unix:path=%s", stop->fixture->socket);

    stop->destination = is_private ? NULL : STOP_NAME;
    g_assert_cmpint(sd_bus_new(&stop->bus), >=, 0);
    g_assert_cmpint(
            sd_bus_set_address(stop->bus, is_private ? address : stop->fixture->bus_address), >=,
            0);
    g_assert_cmpint(sd_bus_set_bus_client(stop->bus, !is_private), >=, 0);
    g_assert_cmpint(sd_bus_start(stop->bus), >=, 0);
    g_assert_cmpint(sd_bus_match_signal(stop->bus, NULL, stop->destination, CLIENT_ROOT,
                                        CLIENT_MANAGER, "Event", on_stop_event, stop),
                    >=, 0);
    g_assert_cmpint(sd_bus_attach_event(stop->bus, stop->event, SD_EVENT_PRIORITY_NORMAL), >=, 0);
}

static void stop_disconnect(Stop *stop)
{
    g_assert_cmpuint(stop->n_open, ==, 0);
    stop->bus = sd_bus_flush_close_unref(stop->bus);
    g_hash_table_remove_all(stop->answers);
    g_ptr_array_set_size(stop->events, 0);
}

static void stop_set_up(Stop *stop, DaemonFixture *fixture)
{
    *stop = (Stop){.fixture = fixture, .lockers = lockers_new(fixture)};
    stop->answers = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    stop->events = g_ptr_array_new_with_free_func(g_free);
    g_assert_cmpint(sd_event_new(&stop->event), >=, 0);
}

static void stop_tear_down(Stop *stop)
{
    sd_event_unref(stop->event);
    g_hash_table_unref(stop->answers);
    g_ptr_array_unref(stop->events);
    lockers_free(stop->lockers);
}

/* Many calls at once */

typedef struct StopCall {
    Stop *stop;
    const char *member;
} StopCall;

static int on_stop_answer(sd_bus_message *answer, void *data, sd_bus_error *ret_error)
{
    g_autofree StopCall *call = data;
    const sd_bus_error *error = sd_bus_message_get_error(answer);
    const char *outcome = "done";

    if (error != NULL)
        outcome = error->name;
    else if (g_str_has_prefix(sd_bus_message_get_signature(answer, true), "s"))
        g_assert_cmpint(sd_bus_message_read(answer, "s", &outcome), >, 0);
    char *key = g_strdup_printf("%s %s", call->member, outcome);
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(call->stop->answers, key));
    g_hash_table_replace(call->stop->answers, key, GUINT_TO_POINTER(n + 1));
    call->stop->n_open--;
    return 0;
}

/* Until at most so many calls are without an answer. */
static void stop_await_but(Stop *stop, unsigned n_open)
{
    uint64_t deadline = usec_add(test_now_usec(), STOP_PATIENCE_USEC);

    for (uint64_t now; stop->n_open > n_open;) {
        now = test_now_usec();
        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_event_run(stop->event, deadline - now), >=, 0);
    }
}

static void stop_await_answers(Stop *stop)
{
    stop_await_but(stop, 0);
}

static void stop_call(Stop *stop, const char *id, const char *member, const char *types, ...)
{
    g_autofree char *path = id != NULL ? client_service_path(id) : g_strdup(CLIENT_ROOT);
    StopCall *call = g_new0(StopCall, 1);
    sd_bus_message *message = NULL;
    va_list args;

    stop_await_but(stop, STOP_OPEN_MAX - 1);
    call->stop = stop;
    call->member = member;
    g_assert_cmpint(sd_bus_message_new_method_call(stop->bus, &message, stop->destination, path,
                                                   id != NULL ? CLIENT_SERVICE : CLIENT_MANAGER,
                                                   member),
                    >=, 0);
    va_start(args, types);
    g_assert_cmpint(sd_bus_message_appendv(message, types, args), >=, 0);
    va_end(args);
    g_assert_cmpint(
            sd_bus_call_async(stop->bus, NULL, message, on_stop_answer, call, STOP_PATIENCE_USEC),
            >=, 0);
    sd_bus_message_unref(message);
    stop->n_open++;
}

static void stop_create(Stop *stop, const char *id, unsigned stop_msec, const char *members)
{
    g_autofree char *words = g_strdup_printf(", \"stop\", \"%u\"", stop_msec);
    g_autofree char *all = g_strconcat(STOP_NOTIFY, members, NULL);
    g_autofree char *config = lockers_config(stop->lockers, words, 0, all);

    stop_call(stop, NULL, "CreateService", "sssa{sv}", id, "process", config, 1, "start", "b", 1);
}

/* One that SIGTERM does not end, and that is not killed for an hour. */
static void stop_create_hanging(Stop *stop, const char *id, const char *words)
{
    g_autofree char *all = g_strconcat(words, ", \"stop\", \"-1\"", NULL);
    g_autofree char *config =
            lockers_config(stop->lockers, all, 0, STOP_NOTIFY ", \"stop_timeout\": \"1h\"");

    stop_call(stop, NULL, "CreateService", "sssa{sv}", id, "process", config, 1, "start", "b", 1);
}

static unsigned stop_take(Stop *stop, const char *outcome)
{
    unsigned n = GPOINTER_TO_UINT(g_hash_table_lookup(stop->answers, outcome));

    (void)g_hash_table_remove(stop->answers, outcome); /* may be there or not */
    return n;
}

/* Exactly so many answers were like this. */
static void stop_check(Stop *stop, const char *outcome, unsigned expected)
{
    unsigned n = stop_take(stop, outcome);
    GHashTableIter iter;
    void *other, *n_other;

    if (n == expected)
        return;
    g_hash_table_iter_init(&iter, stop->answers);
    while (g_hash_table_iter_next(&iter, &other, &n_other))
        g_test_message("%s: %u times", (const char *)other, GPOINTER_TO_UINT(n_other));
    g_error("%s: %u times, expected %u", outcome, n, expected);
}

/* Whatever was not taken is an answer that must not be. */
static void stop_check_taken(Stop *stop)
{
    GHashTableIter iter;
    void *outcome, *n;

    g_hash_table_iter_init(&iter, stop->answers);
    if (g_hash_table_iter_next(&iter, &outcome, &n))
        g_error("%s, %u times", (const char *)outcome, GPOINTER_TO_UINT(n));
}

static int on_stop_ended(sd_event_source *source, int fd, uint32_t revents, void *data)
{
    *(bool *)data = true;
    return 0;
}

/* Listens until the daemon has ended; its exit code. */
static int stop_await_end(Stop *stop)
{
    uint64_t deadline = usec_add(test_now_usec(), STOP_PATIENCE_USEC);
    sd_event_source *source = NULL;
    bool has_ended = false;

    g_assert_cmpint(sd_event_add_io(stop->event, &source, stop->fixture->daemon.pidfd, POLLIN,
                                    on_stop_ended, &has_ended),
                    >=, 0);
    for (uint64_t now; !has_ended;) {
        now = test_now_usec();
        g_assert_cmpuint(now, <, deadline);
        g_assert_cmpint(sd_event_run(stop->event, deadline - now), >=, 0);
    }
    sd_event_source_unref(source);
    return child_wait_exit(&stop->fixture->daemon, DAEMON_PATIENCE_USEC);
}

/* A thousand */

static char *stop_id(unsigned number)
{
    return g_strdup_printf("service%u", number);
}

/* Gives how long all that are to be stopped together would take one after the other. */
static unsigned stop_make_thousand(Stop *stop)
{
    GRand *rand = g_rand_new_with_seed((uint32_t)g_test_rand_int());
    unsigned all_msec = 0;

    for (unsigned i = 0; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);
        unsigned msec = i == STOP_SERVICES - 1
                                ? STOP_SLOWEST_MSEC
                                : (unsigned)g_rand_int_range(rand, 0, STOP_LONGEST_MSEC);

        all_msec += i < STOP_BY_HAND ? 0 : msec;
        stop_create(stop, id, msec, "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    for (unsigned i = 0; i < STOP_BY_HAND; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Stop", "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "inactive");
    }
    stop_await_answers(stop);
    stop_check(stop, "CreateService done", STOP_SERVICES);
    stop_check(stop, "Wait active", STOP_SERVICES);
    stop_check(stop, "Stop stopping", STOP_BY_HAND);
    stop_check(stop, "Wait inactive", STOP_BY_HAND);
    stop_check_taken(stop);
    g_rand_free(rand);
    return all_msec;
}

/* Position of the only event like this from begin on. */
static unsigned stop_find_event(const Stop *stop, const char *event, unsigned begin)
{
    unsigned found = G_MAXUINT;

    for (unsigned i = begin; i < stop->events->len; i++) {
        if (!g_str_equal(g_ptr_array_index(stop->events, i), event))
            continue;
        if (found != G_MAXUINT)
            g_error("%s comes twice", event);
        found = i;
    }
    if (found == G_MAXUINT)
        g_error("%s does not come", event);
    return found;
}

static void stop_check_events(const Stop *stop)
{
    unsigned begin = stop_find_event(stop, "AppTerminating ", 0);
    unsigned end = stop_find_event(stop, "AppTerminated ", 0);
    unsigned n_ends = 0;

    for (unsigned i = 0; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);
        g_autofree char *event = g_strconcat("ProcessEnd ", id, NULL);
        unsigned at = stop_find_event(stop, event, 0);

        if (i < STOP_BY_HAND) {
            g_assert_cmpuint(at, <, begin);
            continue;
        }
        g_assert_cmpuint(at, >, begin);
        g_assert_cmpuint(at, <, end);
    }
    for (unsigned i = 0; i < stop->events->len; i++)
        n_ends += g_str_has_prefix(g_ptr_array_index(stop->events, i), "ProcessEnd ");
    g_assert_cmpuint(n_ends, ==, STOP_SERVICES);
}

static void stop_check_back(Stop *stop)
{
    for (unsigned i = STOP_BY_HAND; i < STOP_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    for (unsigned i = 0; i < STOP_BY_HAND; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 2, "until", "s", "inactive", "timeout_usec", "t",
                  UINT64_C(0));
    }
    stop_await_answers(stop);
    stop_check(stop, "Wait active", STOP_SERVICES - STOP_BY_HAND);
    stop_check(stop, "Wait inactive", STOP_BY_HAND);
    stop_check_taken(stop);
    g_assert_cmpuint(lockers_count(stop->lockers), ==, STOP_SERVICES - STOP_BY_HAND);
}

static void test_thousand(DaemonFixture *fixture, const void *unused)
{
    g_autofree char *slowest = stop_id(STOP_SERVICES - 1);
    Stop stop;

    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, NULL);
    g_clear_pointer(&fixture->client, client_free); /* would have a hundred thousand signals wait */
    stop_connect(&stop, true);
    unsigned all_msec = stop_make_thousand(&stop);
    stop_call(&stop, slowest, "Wait", "a{sv}", 1, "until", "s", "inactive");

    uint64_t begin = test_now_usec();
    child_kill(&fixture->daemon, SIGTERM);
    g_assert_cmpint(stop_await_end(&stop), ==, 0);
    uint64_t msec = (test_now_usec() - begin) / 1000;
    g_test_message("%u services stopped in %" G_GUINT64_FORMAT " ms, the slowest takes %u ms, all "
                   "of them one after the other %u ms",
                   STOP_SERVICES - STOP_BY_HAND, msec, STOP_SLOWEST_MSEC, all_msec);
    g_assert_cmpuint(msec, >=, STOP_SLOWEST_MSEC);
    g_assert_cmpuint(msec, <, all_msec / STOP_RATIO);
    stop_await_answers(&stop);
    stop_check(&stop, "Wait inactive", 1);
    stop_check_taken(&stop);
    stop_check_events(&stop);
    g_assert_cmpuint(lockers_count(stop.lockers), ==, 0);
    stop_disconnect(&stop);

    daemon_fixture_start(fixture, NULL);
    g_clear_pointer(&fixture->client, client_free);
    stop_connect(&stop, true);
    stop_check_back(&stop);
    stop_disconnect(&stop);
    lockers_check_single(stop.lockers);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    stop_tear_down(&stop);
}

/* Calls under way */

#define CALLS_SERVICES 20 /* a bus lets one client wait for 128 answers */
#define CALLS_LATE 30     /* sent just before the signal: done or refused, but answered */

static void calls_make(Stop *stop)
{
    g_autofree char *last = stop_id(CALLS_SERVICES - 1);

    for (unsigned i = 0; i < CALLS_SERVICES - 1; i++) {
        g_autofree char *id = stop_id(i);

        stop_create(stop, id, 200, "");
    }
    /* The last one keeps the daemon until it has refused everything. */
    stop_create_hanging(stop, last, "");
    stop_await_answers(stop);
    for (unsigned i = 0; i < CALLS_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    stop_check(stop, "CreateService done", CALLS_SERVICES);
    stop_check(stop, "Wait active", CALLS_SERVICES);
    stop_check_taken(stop);
}

/* Each service has one who waits for its end and one who waits for what will not come. */
static void calls_send_early(Stop *stop)
{
    for (unsigned i = 0; i < CALLS_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "inactive");
        stop_call(stop, id, "Wait", "a{sv}", 2, "until", "s", "active", "after_serial", "t",
                  UINT64_MAX);
    }
    for (unsigned i = 0; i < CALLS_SERVICES / 4; i++) {
        g_autofree char *id = stop_id(i);

        stop_call(stop, NULL, "DeleteService", "sa{sv}", id, 0);
    }
    stop_call(stop, NULL, "ReloadDefinitions", "a{sv}", 0);
    /* The calls of one client are taken in their order: with this answer all are under way. */
    g_assert_cmpint(sd_bus_call_method(stop->bus, stop->destination, CLIENT_ROOT, CLIENT_MANAGER,
                                       "ListKinds", NULL, NULL, ""),
                    >=, 0);
}

static void calls_send_late(Stop *stop)
{
    for (unsigned i = 0; i < CALLS_LATE; i++) {
        g_autofree char *id = g_strdup_printf("late%u", i);

        stop_create(stop, id, 0, "");
        stop_call(stop, NULL, "ReloadDefinitions", "a{sv}", 0);
    }
    g_assert_cmpint(sd_bus_flush(stop->bus), >=, 0);
}

/* When the daemon says that it stops, it takes nothing new. */
static void calls_check_refused(Stop *stop)
{
    g_autofree char *id = stop_id(CALLS_SERVICES - 1);
    g_autofree char *path = client_service_path(id);
    Client *client = stop->fixture->client;
    pid_t pid = (pid_t)client_get_unsigned(client, path, CLIENT_PROCESS, "MainPID");

    client_wait_state(client, id, "stopping");
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "CreateService", "sssa{sv}", "never", "process",
                               "{\"exec\": [\"/bin/true\"]}", 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "DeleteService", "sa{sv}", id, 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", CLIENT_ROOT,
                               CLIENT_MANAGER, "ReloadDefinitions", "a{sv}", 0));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "Start", ""));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "Configure", "s", "{\"exec\": [\"/bin/true\"]}"));
    g_free(client_call_refused(client, "org.svcmgr1.Error.ShuttingDown", path, CLIENT_SERVICE,
                               "SetEnabled", "b", 1));
    g_assert_cmpint(kill(pid, SIGKILL), ==, 0); /* it is still being stopped */
}

#define CALLS_SHUT " org.svcmgr1.Error.ShuttingDown"

/* Gives how many services there must be from now on. */
static unsigned calls_check_answers(Stop *stop)
{
    unsigned n_deleted = stop_take(stop, "DeleteService done");
    unsigned n_created = stop_take(stop, "CreateService done");
    unsigned n_gone = stop_take(stop, "Wait org.svcmgr1.Error.NotFound");

    g_assert_cmpuint(n_deleted, ==, CALLS_SERVICES / 4);
    g_assert_cmpuint(n_created + stop_take(stop, "CreateService" CALLS_SHUT), ==, CALLS_LATE);
    stop_check(stop, "Wait failed", 1); /* the last one */
    g_assert_cmpuint(stop_take(stop, "Wait inactive") + stop_take(stop, "Wait" CALLS_SHUT) + n_gone,
                     ==, 2 * CALLS_SERVICES - 1);
    g_assert_cmpuint(n_gone, <=, 2 * n_deleted);
    g_assert_cmpuint(stop_take(stop, "ReloadDefinitions done") +
                             stop_take(stop, "ReloadDefinitions" CALLS_SHUT),
                     ==, CALLS_LATE + 1);
    stop_check_taken(stop);
    return CALLS_SERVICES - n_deleted + n_created;
}

static void test_calls(DaemonFixture *fixture, const void *is_private)
{
    char *services = daemon_fixture_option(fixture, "services-dir", fixture->services_dir);
    Stop stop;

    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, services, NULL);
    stop_connect(&stop, GPOINTER_TO_INT(is_private) != 0);
    calls_make(&stop);
    calls_send_early(&stop);
    calls_send_late(&stop);
    child_kill(&fixture->daemon, SIGTERM);
    calls_check_refused(&stop);
    stop_await_answers(&stop);
    g_assert_cmpint(stop_await_end(&stop), ==, 0);
    unsigned n_services = calls_check_answers(&stop);
    stop_disconnect(&stop);
    g_clear_pointer(&fixture->client, client_free);

    daemon_fixture_start(fixture, services, "--restore=none", NULL);
    g_assert_cmpuint(client_get_unsigned(fixture->client, CLIENT_ROOT, CLIENT_MANAGER, "NServices"),
                     ==, n_services);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 0);
    stop_tear_down(&stop);
}

/* One that hangs */

#define HANG_SERVICES 20
#define HANG_TIMEOUT_USEC (3 * USEC_PER_SEC) /* enough for the others */
#define HANG_MARGIN_USEC (10 * USEC_PER_SEC) /* far from the hour of stop_timeout */

/* What an executable of shutdown-error.d is told, as it tells it to a pipe. */
static int hang_add_hook(DaemonFixture *fixture, char **ret_option)
{
    g_autofree char *hooks = g_build_filename(fixture->root, "hooks", NULL);
    g_autofree char *directory = g_build_filename(hooks, "shutdown-error.d", NULL);
    g_autofree char *path = g_build_filename(directory, "tell", NULL);
    g_autofree char *pipe = g_build_filename(fixture->root, "told", NULL);
    g_autofree char *script = g_strdup_printf("#!/bin/sh\necho \"$SVCMGR_RUNNING\" > '%s'\n", pipe);

    g_assert_cmpint(g_mkdir_with_parents(directory, 0700), ==, 0);
    g_assert_true(g_file_set_contents_full(path, script, -1, G_FILE_SET_CONTENTS_NONE, 0700, NULL));
    g_assert_cmpint(mkfifo(pipe, 0600), ==, 0);
    *ret_option = daemon_fixture_option(fixture, "hooks-dir", hooks);
    return open(pipe, O_RDWR | O_CLOEXEC);
}

static void hang_check_told(int fd)
{
    struct pollfd told = {.fd = fd, .events = POLLIN};
    char text[4096];

    g_assert_cmpint(poll(&told, 1, (int)(DAEMON_PATIENCE_USEC / 1000)), ==, 1);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    g_assert_cmpint(n, >, 0);
    text[n] = '\0';
    g_assert_true(g_str_has_prefix(text, "hang (stopping"));
    g_assert_null(strstr(text, "service"));
}

static void hang_make(Stop *stop)
{
    stop_create_hanging(stop, "hang", ", \"child\"");
    stop_call(stop, "hang", "Wait", "a{sv}", 1, "until", "s", "active");
    for (unsigned i = 0; i < HANG_SERVICES; i++) {
        g_autofree char *id = stop_id(i);

        stop_create(stop, id, 10, "");
        stop_call(stop, id, "Wait", "a{sv}", 1, "until", "s", "active");
    }
    stop_await_answers(stop);
    stop_check(stop, "Wait active", HANG_SERVICES + 1);
}

/* It is named, whoever asked for it is told, and nothing of it is left. */
static void test_hang(DaemonFixture *fixture, const void *unused)
{
    char *hooks = NULL;
    autofd int told = hang_add_hook(fixture, &hooks);
    g_autofree char *log = NULL;
    Stop stop;

    stop_set_up(&stop, fixture);
    daemon_fixture_start(fixture, "--shutdown-timeout=3s", hooks, NULL);
    stop_connect(&stop, true);
    hang_make(&stop);
    stop_call(&stop, "hang", "Wait", "a{sv}", 1, "until", "s", "inactive");

    uint64_t begin = test_now_usec();
    child_kill(&fixture->daemon, SIGTERM);
    hang_check_told(told);
    g_assert_cmpint(stop_await_end(&stop), ==, 1);
    uint64_t usec = test_now_usec() - begin;
    g_assert_cmpuint(usec, >=, HANG_TIMEOUT_USEC);
    g_assert_cmpuint(usec, <, HANG_TIMEOUT_USEC + HANG_MARGIN_USEC);
    stop_await_answers(&stop);
    g_assert_cmpuint(stop_take(&stop, "Wait failed") + stop_take(&stop, "Wait inactive"), ==, 1);
    log = daemon_fixture_log(fixture);
    g_assert_nonnull(strstr(log, "still running: hang (stopping"));
    g_assert_cmpuint(lockers_count(stop.lockers), ==, 0);
    stop_disconnect(&stop);
    g_clear_pointer(&fixture->client, client_free);

    /* It ran, and so it is wanted. */
    daemon_fixture_start(fixture, "--shutdown-timeout=1s", NULL);
    stop_connect(&stop, true);
    stop_call(&stop, "hang", "Wait", "a{sv}", 1, "until", "s", "active");
    stop_await_answers(&stop);
    stop_check(&stop, "Wait active", 1);
    stop_disconnect(&stop);
    g_assert_cmpint(daemon_fixture_stop(fixture, SIGTERM), ==, 1);
    stop_tear_down(&stop);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/stop/thousand", DaemonFixture, NULL, daemon_fixture_set_up, test_thousand,
               daemon_fixture_tear_down);
    g_test_add("/stop/calls/bus", DaemonFixture, GINT_TO_POINTER(0), daemon_fixture_set_up,
               test_calls, daemon_fixture_tear_down);
    g_test_add("/stop/calls/private", DaemonFixture, GINT_TO_POINTER(1), daemon_fixture_set_up,
               test_calls, daemon_fixture_tear_down);
    g_test_add("/stop/hang", DaemonFixture, NULL, daemon_fixture_set_up, test_hang,
               daemon_fixture_tear_down);
    return g_test_run();
}
