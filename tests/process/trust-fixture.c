/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The guardian of the cgroups is the first to come and the last to go: it cleans up also after a
 * test that fails. */

#include "trust-fixture.h"

#include <signal.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#define TRUST_PREFIX "0123456789abcdef"

typedef struct TrustCase {
    TrustFunc func;
    const void *data;
} TrustCase;

static void trust_init_session(void *fixture, const void *unused)
{
    fixture_init(&((TrustFixture *)fixture)->process);
}

static void trust_done_session(void *fixture, const void *unused)
{
    fixture_done(&((TrustFixture *)fixture)->process);
}

static void trust_init_cgroup(void *data, const void *unused)
{
    TrustFixture *fixture = data;
    g_autoptr(GError) error = NULL;

    cgroup_fixture_init(&fixture->cgroups, NULL);
    if (fixture->cgroups.base == NULL)
        return;
    /* That of the host, with the host's loop, takes its place. */
    g_clear_pointer(&fixture->cgroups.tree, cgroup_tree_free);
    fixture_init(&fixture->process);
    process_host_set_invocation_prefix(fixture->process.host, TRUST_PREFIX);
    (void)process_host_open_cgroups(fixture->process.host, fixture->cgroups.base, &error);
    g_assert_no_error(error);
    fixture->has_cgroups = true;
}

static void trust_done_cgroup(void *data, const void *unused)
{
    TrustFixture *fixture = data;

    if (!fixture->has_cgroups)
        return;
    fixture_done(&fixture->process);
    cgroup_fixture_done(&fixture->cgroups, NULL);
}

static void trust_run_session(void *fixture, const void *data)
{
    const TrustCase *test = data;

    test->func(fixture, test->data);
}

static void trust_run_cgroup(void *data, const void *test_data)
{
    TrustFixture *fixture = data;
    const TrustCase *test = test_data;

    if (fixture->has_cgroups) /* else it was skipped */
        test->func(fixture, test->data);
}

/* GTest keeps what it is given to its end. */
void trust_add(const char *path, TrustFunc func, const void *data)
{
    g_autofree char *cgroup = g_strconcat(path, "/cgroup", NULL);
    g_autofree char *session = g_strconcat(path, "/session", NULL);
    TrustCase *test = g_new(TrustCase, 1);

    *test = (TrustCase){func, data};
    g_test_add_vtable(cgroup, sizeof(TrustFixture), test, trust_init_cgroup, trust_run_cgroup,
                      trust_done_cgroup);
    g_test_add_vtable(session, sizeof(TrustFixture), test, trust_init_session, trust_run_session,
                      trust_done_session);
}

Service *trust_start(TrustFixture *fixture, const char *config)
{
    return fixture_start(&fixture->process, fixture->process.process, config);
}

void trust_signal(Service *service, int signo)
{
    pid_t pid = fixture_main_pid(service);

    g_assert_cmpint(pid, >, 1);
    g_assert_cmpint(kill(pid, signo), ==, 0);
}

/* Waiting */

typedef struct TrustWait {
    TrustFixture *fixture;
    Service *service;
    const char *name;
    const char *text;
    int value;
} TrustWait;

static bool trust_file_has(void *data)
{
    const TrustWait *wait = data;
    g_autofree char *text = fixture_read(&wait->fixture->process, wait->name);

    return text != NULL && strstr(text, wait->text) != NULL;
}

static bool trust_history_has(void *data)
{
    const TrustWait *wait = data;

    return strstr(wait->fixture->process.history->str, wait->text) != NULL;
}

static bool trust_log_has(void *data)
{
    const TrustWait *wait = data;

    return strstr(wait->fixture->process.log->str, wait->text) != NULL;
}

static bool trust_status_is(void *data)
{
    const TrustWait *wait = data;

    return g_str_equal(fixture_property(wait->service, "StatusText").s, wait->text);
}

static bool trust_errno_is(void *data)
{
    const TrustWait *wait = data;

    return fixture_property(wait->service, "StatusErrno").i == wait->value;
}

static unsigned n_messages;

/* The table of system calls has no place for who counts. */
static ssize_t trust_recvmsg(int fd, struct msghdr *message, int flags)
{
    ssize_t n = sys_linux.recvmsg(fd, message, flags);

    n_messages += n > 0;
    return n;
}

static bool trust_messages_have_come(void *data)
{
    return n_messages >= *(const unsigned *)data;
}

void trust_wait_file(TrustFixture *fixture, const char *name, const char *text)
{
    TrustWait wait = {.fixture = fixture, .name = name, .text = text};

    fixture_run_until(&fixture->process, trust_file_has, &wait);
}

void trust_wait_history(TrustFixture *fixture, const char *text)
{
    TrustWait wait = {.fixture = fixture, .text = text};

    fixture_run_until(&fixture->process, trust_history_has, &wait);
}

void trust_wait_log(TrustFixture *fixture, const char *text)
{
    TrustWait wait = {.fixture = fixture, .text = text};

    fixture_run_until(&fixture->process, trust_log_has, &wait);
}

void trust_wait_messages(TrustFixture *fixture, unsigned n)
{
    n_messages = 0;
    fixture->process.sys.recvmsg = trust_recvmsg;
    fixture_run_until(&fixture->process, trust_messages_have_come, &n);
    fixture->process.sys.recvmsg = sys_linux.recvmsg;
}

void trust_wait_status(TrustFixture *fixture, Service *service, const char *text)
{
    TrustWait wait = {.service = service, .text = text};

    fixture_run_until(&fixture->process, trust_status_is, &wait);
}

void trust_wait_errno(TrustFixture *fixture, Service *service, int value)
{
    TrustWait wait = {.service = service, .value = value};

    fixture_run_until(&fixture->process, trust_errno_is, &wait);
}

typedef struct TrustFileWait {
    const TrustFixture *fixture;
    const char *name;
} TrustFileWait;

static bool trust_file_is_there(void *data)
{
    const TrustFileWait *wait = data;

    return access(fixture_path(&wait->fixture->process, wait->name), F_OK) == 0;
}

static int on_trust_file(sd_event_source *source, const struct inotify_event *event, void *unused)
{
    return 0; /* the loop has turned, which is all */
}

void trust_wait_created(TrustFixture *fixture, const char *name)
{
    TrustFileWait wait = {fixture, name};
    sd_event_source *source = NULL;

    g_assert_cmpint(sd_event_add_inotify(loop_event(fixture->process.loop), &source,
                                         fixture->process.directory, IN_CREATE | IN_MOVED_TO,
                                         on_trust_file, NULL),
                    >=, 0);
    fixture_run_until(&fixture->process, trust_file_is_there, &wait);
    sd_event_source_unref(source);
}

/* What is left */

bool trust_has_moved(const Service *service, State from, State to, Cause cause)
{
    HistoryEntry moves[SERVICE_HISTORY];
    size_t n = service_history(service, moves);

    for (size_t i = 0; i < n; i++) {
        if (moves[i].from == from && moves[i].to == to && moves[i].cause == cause)
            return true;
    }
    return false;
}

bool trust_cgroup_exists(const TrustFixture *fixture, const char *control_group)
{
    if (!fixture->has_cgroups || *control_group == '\0')
        return false;

    const char *last = strrchr(control_group, '/');
    g_autofree char *path =
            g_build_filename(fixture->cgroups.base, "svcmgr-" TRUST_PREFIX, last, NULL);
    return access(path, F_OK) == 0;
}

static bool trust_process_has(const char *pid, const char *variable)
{
    g_autofree char *path = g_build_filename("/proc", pid, "environ", NULL);
    g_autofree char *text = NULL;
    size_t length;

    if (!g_file_get_contents(path, &text, &length, NULL))
        return false; /* it is no process, or is one no more */
    return memmem(text, length, variable, strlen(variable)) != NULL;
}

unsigned trust_count_processes(const char *invocation_id)
{
    g_autofree char *variable = g_strconcat("INVOCATION_ID=", invocation_id, NULL);
    g_autoptr(GDir) processes = g_dir_open("/proc", 0, NULL);
    unsigned n = 0;

    for (const char *name; (name = g_dir_read_name(processes)) != NULL;) {
        if (g_ascii_isdigit(name[0]) && trust_process_has(name, variable))
            n++;
    }
    return n;
}

bool trust_stat_lives(const char *stat)
{
    const uint64_t exiting = 4; /* PF_EXITING of the kernel */
    g_auto(GStrv) fields = g_strsplit(strrchr(stat, ')') + 2, " ", -1);

    g_assert_cmpuint(g_strv_length(fields), >, 20);
    bool is_exiting = (g_ascii_strtoull(fields[6], NULL, 10) & exiting) != 0;
    bool has_memory = !g_str_equal(fields[20], "0");
    return strchr("ZX", fields[0][0]) == NULL && (!is_exiting || has_memory);
}

static bool trust_process_has_fds(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
    g_autoptr(GDir) fds = g_dir_open(path, 0, NULL);

    return fds != NULL && g_dir_read_name(fds) != NULL;
}

bool trust_process_lives(pid_t pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%d/stat", (int)pid);
    g_autofree char *text = NULL;

    return g_file_get_contents(path, &text, NULL, NULL) &&
           (trust_stat_lives(text) || trust_process_has_fds(pid));
}
