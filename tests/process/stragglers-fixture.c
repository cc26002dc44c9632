/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "stragglers-fixture.h"

#include "base/fds.h"
#include "process/host-internal.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Of the test that runs; the table of system calls has no place for it. */
static StragglersFixture *current;

int stragglers_open(const char *path, int flags)
{
    current->n_lists += g_str_equal(path, STRAGGLERS_CHILDREN_PATH);
    return sys_linux.open(path, flags);
}

void stragglers_fixture_init(StragglersFixture *fixture, const void *unused)
{
    fixture_init(&fixture->process);
    fixture->process.sys.open = stragglers_open;
    fixture->n_lists = 0;
    fixture->join = NULL;
    g_assert_cmpint(pipe2(fixture->lifeline, O_CLOEXEC), ==, 0);
    current = fixture;
}

void stragglers_fixture_done(StragglersFixture *fixture, const void *unused)
{
    for (unsigned i = 0; i < 2; i++)
        fixture->lifeline[i] = fd_close(fixture->lifeline[i]);
    fixture_done(&fixture->process);
}

void run_clear(Run *run)
{
    g_free(run->id);
    g_free(run->file);
}
static bool run_is_noted(void *data)
{
    return g_file_test(((Run *)data)->file, G_FILE_TEST_EXISTS);
}

static bool run_join(const char *path)
{
    if (path == NULL)
        return true;

    autofd int fd = open(path, O_WRONLY | O_CLOEXEC);
    return fd >= 0 && write(fd, "0", 1) == 1;
}

/* As the supervisor starts it, with the mark and the environment of a run. */
static void run_execute(const Run *run, const char *words)
{
    g_auto(GStrv) argv = g_strsplit(words, " ", -1);
    g_auto(GStrv) envp = g_strsplit("FIRST=1", " ", -1);
    const struct rlimit64 mark = {
            .rlim_cur = process_host_run_number(run->id) << HOST_SESSION_BITS | (uint64_t)setsid(),
            .rlim_max = process_host_mark(run->fixture->process.host->invocation_prefix)};

    for (char **word = argv; *word != NULL; word++) {
        if (g_str_equal(*word, "FILE"))
            *word = run->file;
    }
    envp = g_environ_setenv(envp, "INVOCATION_ID", run->id, TRUE);
    if (run_join(run->fixture->join) && setrlimit64(RLIMIT_LOCKS, &mark) == 0 &&
        dup2(run->fixture->lifeline[0], STDIN_FILENO) == STDIN_FILENO)
        (void)execve(fixture_program(argv[0]), argv, envp);
    _exit(97);
}

/* "daemoniser many 3 FILE": returns when the file is there. */
void run_start(StragglersFixture *fixture, Run *run, const char *words)
{
    static unsigned n_runs;
    g_autofree char *name = g_strdup_printf("pids-%u", ++n_runs);

    *run = (Run){.fixture = fixture,
                 .id = process_host_new_invocation_id(fixture->process.host),
                 .file = g_strdup(fixture_path(&fixture->process, name))};
    run->pid = fork();
    if (run->pid == 0)
        run_execute(run, words);
    g_assert_cmpint(run->pid, >, 0);
    fixture_run_until(&fixture->process, run_is_noted, run);
}

void run_read(Run *run)
{
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(run->file, &text, NULL, NULL));
    g_auto(GStrv) lines = g_strsplit(g_strchomp(text), "\n", -1);
    for (run->n_daemons = 0; lines[run->n_daemons] != NULL; run->n_daemons++)
        run->daemons[run->n_daemons] = (pid_t)atoi(lines[run->n_daemons]);
}

/* The program that was started is gone too. */
void run_daemons(StragglersFixture *fixture, Run *run, const char *words)
{
    run_start(fixture, run, words);
    run_read(run);
    fixture_wait_gone(&fixture->process, run->pid);
}

void run_end(Run *run)
{
    for (unsigned i = 0; i < run->n_daemons; i++)
        g_assert_cmpint(kill(run->daemons[i], SIGKILL), ==, 0);
    for (unsigned i = 0; i < run->n_daemons; i++)
        fixture_wait_gone(&run->fixture->process, run->daemons[i]);
}

static void on_answer(unsigned n_found, void *data)
{
    Question *question = data;

    g_assert_false(question->question.is_asked);
    question->n_answers++;
    question->n_found = n_found;
    question->n_lists = current->n_lists;
    if (question->n_again > 0) {
        question->n_again--;
        stragglers_ask(current->process.host, &question->question);
    }
    if (question->forgets != NULL)
        stragglers_forget(current->process.host, &question->forgets->question);
}

void question_ask(Question *question, const char *invocation_id)
{
    question->question = (StragglersQuestion){
            .invocation_id = invocation_id, .func = on_answer, .data = question};
    stragglers_ask(current->process.host, &question->question);
    g_assert_cmpuint(question->n_answers, ==, 0); /* only from the loop */
}

bool question_is_answered(void *data)
{
    Question *question = data;

    return question->n_answers > 0 && !question->question.is_asked;
}

unsigned run_count(const Run *run)
{
    Question question = {0};

    question_ask(&question, run->id);
    fixture_run_until(&current->process, question_is_answered, &question);
    g_assert_cmpuint(question.n_answers, ==, 1);
    return question.n_found;
}
