/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether anything is left of a run, whatever it has done to be overlooked. */

#include "base/fds.h"
#include "process/host-internal.h"
#include "process/process-group.h"
#include "stragglers-fixture.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Of the test that runs. */
static StragglersFixture *current;
static unsigned n_failed; /* calls that were let fail */
static pid_t marked_pid;

static void stragglers_test_init(StragglersFixture *fixture, const void *unused)
{
    stragglers_fixture_init(fixture, NULL);
    current = fixture;
    n_failed = 0;
    marked_pid = 0;
}

static void test_none(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run = {.id = process_host_new_invocation_id(fixture->process.host)};

    g_assert_cmpuint(run_count(&run), ==, 0);
    g_assert_false(stragglers_has(fixture->process.host, run.id, getpid()));
    g_assert_cmpuint(stragglers_signal(fixture->process.host, run.id, 0, SIGTERM), ==, 0);
}

/* By what each of them has left to know it by; another run has a child too. */
static void test_found(StragglersFixture *fixture, const void *words)
{
    ProcessHost *host = fixture->process.host;
    const ProcessGroup nowhere = {0};
    g_auto(Run) run, other;

    run_daemons(fixture, &run, words);
    run_daemons(fixture, &other, "daemoniser FILE");
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_cmpuint(run_count(&other), ==, 1);
    g_assert_true(stragglers_has(host, run.id, run.daemons[0]));
    g_assert_false(stragglers_has(host, run.id, other.daemons[0]));
    g_assert_true(process_group_has(host, &nowhere, 0, run.daemons[0], run.id));
    g_assert_false(process_group_has(host, &nowhere, 0, other.daemons[0], run.id));
    run_end(&run);
    g_assert_cmpuint(run_count(&run), ==, 0);
    g_assert_cmpuint(run_count(&other), ==, 1);
    run_end(&other);
}

/* A hundred who ask at once have the same look: two lists, one to begin with and one to see that
 * nobody has come. */
static void test_many(StragglersFixture *fixture, const void *unused)
{
    Question questions[100] = {0};
    g_auto(Run) run, other;

    run_daemons(fixture, &run, "daemoniser many 200 wipe FILE");
    run_daemons(fixture, &other, "daemoniser FILE");
    g_assert_cmpuint(run.n_daemons, ==, 200);
    fixture->n_lists = 0;
    for (unsigned i = 0; i < G_N_ELEMENTS(questions); i++)
        question_ask(&questions[i], i % 2 == 0 ? run.id : other.id);
    for (unsigned i = 0; i < G_N_ELEMENTS(questions); i++) {
        fixture_run_until(&fixture->process, question_is_answered, &questions[i]);
        g_assert_cmpuint(questions[i].n_found, ==, i % 2 == 0 ? 200 : 1);
        g_assert_cmpuint(questions[i].n_lists, ==, 2);
    }
    run_end(&run);
    run_end(&other);
}

static Question during;
static const char *during_id;

static int asking_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                            struct rlimit64 *ret_limit)
{
    if (during.question.func == NULL)
        question_ask(&during, during_id);
    return sys_linux.prlimit64(pid, resource, limit, ret_limit);
}

static void test_asked_during(StragglersFixture *fixture, const void *unused)
{
    Question first = {0};
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser FILE");
    during = (Question){0};
    during_id = run.id;
    fixture->process.sys.prlimit64 = asking_prlimit64;
    fixture->n_lists = 0;
    question_ask(&first, run.id);
    fixture_run_until(&fixture->process, question_is_answered, &first);
    fixture_run_until(&fixture->process, question_is_answered, &during);
    g_assert_cmpuint(first.n_lists, ==, 2);
    g_assert_cmpuint(during.n_lists, ==, 4);
    g_assert_cmpuint(during.n_found, ==, 1);
    run_end(&run);
}

static void test_again(StragglersFixture *fixture, const void *unused)
{
    Question question = {.n_again = 2};
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser FILE");
    fixture->n_lists = 0;
    question_ask(&question, run.id);
    stragglers_ask(fixture->process.host, &question.question); /* changes nothing */
    fixture_run_until(&fixture->process, question_is_answered, &question);
    g_assert_cmpuint(question.n_answers, ==, 3);
    g_assert_cmpuint(question.n_lists, ==, 6);
    run_end(&run);
}

/* By who was told before, while it is asked, and while it is not. */
static void test_forgotten(StragglersFixture *fixture, const void *unused)
{
    Question forgotten = {0}, other = {0}, teller = {.forgets = &forgotten};
    g_auto(Run) run = {.id = process_host_new_invocation_id(fixture->process.host)};

    question_ask(&teller, run.id);
    question_ask(&forgotten, run.id);
    question_ask(&other, run.id);
    stragglers_forget(fixture->process.host, &other.question);
    fixture_run_until(&fixture->process, question_is_answered, &teller);
    stragglers_forget(fixture->process.host, &other.question);
    fixture_settle(&fixture->process);
    g_assert_cmpuint(forgotten.n_answers, ==, 0);
    g_assert_cmpuint(other.n_answers, ==, 0);
}

/* It lives when the list is read. When it is looked at it has died and left an heir. */
static int bequeathing_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                                 struct rlimit64 *ret_limit)
{
    siginfo_t info;

    if (pid == marked_pid && n_failed++ == 0) {
        g_assert_cmpint(kill(pid, SIGTERM), ==, 0);
        g_assert_cmpint(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), ==, 0);
    }
    return sys_linux.prlimit64(pid, resource, limit, ret_limit);
}

static void test_heir(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_start(fixture, &run, "heir FILE leave");
    marked_pid = run.pid;
    fixture->process.sys.prlimit64 = bequeathing_prlimit64;
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_cmpuint(n_failed, >, 0);
    run_read(&run);
    run_end(&run);
    g_assert_cmpuint(run_count(&run), ==, 0);
}

/* What the kernel refuses */

typedef struct Refusal {
    const char *words;
    const char *path; /* of what is opened; NULL: prlimit */
    int errno_value;
    bool once;
} Refusal;

static const Refusal *refusal;

static bool refuse(void)
{
    if (refusal->once && n_failed > 0)
        return false;
    n_failed++;
    errno = refusal->errno_value;
    return true;
}

static int refusing_open(const char *path, int flags)
{
    return g_str_has_suffix(path, refusal->path) && refuse() ? -1 : stragglers_open(path, flags);
}

static int refusing_prlimit64(pid_t pid, int resource, const struct rlimit64 *limit,
                              struct rlimit64 *ret_limit)
{
    return refuse() ? -1 : sys_linux.prlimit64(pid, resource, limit, ret_limit);
}

/* The mark is read from /proc; without a list of the children all processes are looked at; and for
 * want of descriptors or memory the look is taken up again later. */
static const Refusal refusals[] = {
        {"daemoniser wipe FILE", NULL, EPERM, false},
        {"daemoniser FILE", NULL, EPERM, false},
        {"daemoniser FILE", NULL, ENOSYS, false},
        {"daemoniser wipe FILE", STRAGGLERS_CHILDREN_PATH, ENOENT, false},
        {"daemoniser unmark FILE", STRAGGLERS_CHILDREN_PATH, ENOENT, false},
        {"daemoniser wipe FILE", STRAGGLERS_CHILDREN_PATH, EMFILE, true},
        {"daemoniser unmark FILE", "/environ", ENFILE, true},
        {"daemoniser unmark FILE", "/environ", ENOMEM, true},
        {"daemoniser FILE", "/stat", EMFILE, false},
        {"daemoniser FILE", "/environ", EACCES, false},
};

static void test_refused(StragglersFixture *fixture, const void *data)
{
    const Refusal *row = data;
    g_auto(Run) run;

    run_daemons(fixture, &run, row->words);
    refusal = row;
    if (row->path != NULL)
        fixture->process.sys.open = refusing_open;
    else
        fixture->process.sys.prlimit64 = refusing_prlimit64;
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_true(n_failed > 0 || g_str_equal(row->words, "daemoniser FILE"));
    run_end(&run);
}

/* Not even all processes can be listed: then nobody is known to be gone before they can be. */
static ssize_t failing_read(int fd, void *buffer, size_t size)
{
    if (n_failed++ == 0) {
        errno = EIO;
        return -1;
    }
    return sys_linux.read(fd, buffer, size);
}

static ssize_t failing_getdents64(int fd, void *buffer, size_t size)
{
    if (n_failed++ < 2) {
        errno = EIO;
        return -1;
    }
    return sys_linux.getdents64(fd, buffer, size);
}

static int childless_open(const char *path, int flags)
{
    if (!g_str_equal(path, STRAGGLERS_CHILDREN_PATH))
        return sys_linux.open(path, flags);
    errno = ENOENT;
    return -1;
}

static void test_unlisted(StragglersFixture *fixture, const void *data)
{
    bool is_read = data != NULL;
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser wipe FILE");
    if (is_read) {
        fixture->process.sys.read = failing_read;
    } else {
        fixture->process.sys.open = childless_open;
        fixture->process.sys.getdents64 = failing_getdents64;
    }
    g_assert_cmpuint(run_count(&run), ==, 1);
    g_assert_cmpuint(n_failed, >, is_read ? 1 : 2);
    run_end(&run);
}

static int procless_open(const char *path, int flags)
{
    errno = ENOENT;
    return -1;
}

/* There is an answer all the same. */
static void test_no_proc(StragglersFixture *fixture, const void *unused)
{
    g_auto(Run) run;

    run_daemons(fixture, &run, "daemoniser wipe FILE");
    fixture->process.sys.open = procless_open;
    g_assert_cmpuint(run_count(&run), ==, 0);
    g_assert_cmpuint(stragglers_signal(fixture->process.host, run.id, 0, SIGKILL), ==, 0);
    fixture->process.sys.open = stragglers_open;
    run_end(&run);
}

#define STRAGGLERS_TEST(path, data, function)                                                      \
    g_test_add("/stragglers/" path, StragglersFixture, data, stragglers_test_init, function,       \
               stragglers_fixture_done)

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    STRAGGLERS_TEST("none", NULL, test_none);
    STRAGGLERS_TEST("found/as-started", "daemoniser FILE", test_found);
    STRAGGLERS_TEST("found/by-mark", "daemoniser wipe FILE", test_found);
    STRAGGLERS_TEST("found/by-environment", "daemoniser unmark FILE", test_found);
    STRAGGLERS_TEST("many", NULL, test_many);
    STRAGGLERS_TEST("asked-during-a-look", NULL, test_asked_during);
    STRAGGLERS_TEST("again", NULL, test_again);
    STRAGGLERS_TEST("forgotten", NULL, test_forgotten);
    STRAGGLERS_TEST("heir", NULL, test_heir);
    for (size_t i = 0; i < G_N_ELEMENTS(refusals); i++) {
        g_autofree char *path = g_strdup_printf("/stragglers/refused/%zu", i);
        g_test_add(path, StragglersFixture, &refusals[i], stragglers_test_init, test_refused,
                   stragglers_fixture_done);
    }
    STRAGGLERS_TEST("unlisted/children", "read", test_unlisted);
    STRAGGLERS_TEST("unlisted/all", NULL, test_unlisted);
    STRAGGLERS_TEST("no-proc", NULL, test_no_proc);
    return g_test_run();
}
