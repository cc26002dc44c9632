/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the child writes goes into files in memory, so that the words of an assertion name the
 * invariant that failed, and nothing gets among the lines of the test's own protocol. */

#include "trial.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRIAL_VIOLATED 3

static Verdict *shared;
static unsigned shared_patience;

static void trial_share(void)
{
    if (shared == NULL) {
        shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1,
                      0);
        g_assert(shared != MAP_FAILED);
    }
    memset(shared, 0, sizeof *shared);
}

void trial_note(uint64_t history, uint64_t step)
{
    shared->history = history;
    shared->step = step;
}

void trial_note_changes(uint64_t changes)
{
    shared->changes += changes;
}

void trial_begin_history(uint64_t history)
{
    trial_note(history, 0);
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage); /* cannot fail for ourselves */
    rlim_t spent = (rlim_t)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec);
    struct rlimit limit = {.rlim_cur = spent + shared_patience, .rlim_max = RLIM_INFINITY};
    (void)setrlimit(RLIMIT_CPU, &limit); /* without it a history that hangs is merely not named */
}

void violation(const char *invariant, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(shared->text, sizeof shared->text, format, arguments);
    va_end(arguments);
    g_strlcpy(shared->invariant, invariant, sizeof shared->invariant);
    shared->failed = true;
    fflush(stdout);
    _exit(TRIAL_VIOLATED);
}

static G_NORETURN void trial_child(TrialFunc func, const void *data, unsigned patience, int output,
                                   int errors)
{
    struct rlimit no_core = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &no_core); /* an abort is expected, its core is of no use */
    shared_patience = patience;
    if (dup2(output, STDOUT_FILENO) < 0 || dup2(errors, STDERR_FILENO) < 0)
        _exit(TRIAL_VIOLATED + 1);
    func(data);
    fflush(stdout);
    exit(0); /* by way of the leak checker, if there is one */
}

/* What stands in the file, which is closed; the caller's. */
static char *trial_read(int file)
{
    off_t size = lseek(file, 0, SEEK_END);
    char *text = g_malloc0((size_t)MAX(size, 0) + 1);
    if (size > 0 && pread(file, text, (size_t)size, 0) < 0)
        *text = '\0';
    close(file);
    return text;
}

static const char *trial_signal_name(int status)
{
    if (!WIFSIGNALED(status))
        return "the program ended by itself";
    return WTERMSIG(status) == SIGXCPU ? "it does not come to an end" : strsignal(WTERMSIG(status));
}

/* The child ended otherwise than by violation(): an assertion, a sanitizer, a signal. */
static void trial_blame(Verdict *verdict, int status, const char *errors)
{
    const char *words = strstr(errors, "assertion failed");
    if (words == NULL)
        words = strstr(errors, "ERROR: ");
    if (words == NULL)
        words = strstr(errors, "runtime error: ");
    verdict->failed = true;
    g_snprintf(verdict->invariant, sizeof verdict->invariant, "%.*s",
               words != NULL ? (int)strcspn(words, "\n") : 100,
               words != NULL ? words : trial_signal_name(status));
    g_strlcpy(verdict->text, errors, sizeof verdict->text);
}

static int trial_file(void)
{
    int file = memfd_create("trial", MFD_CLOEXEC);
    g_assert(file >= 0);
    return file;
}

Verdict trial_run(TrialFunc func, const void *data, unsigned patience, char **ret_output)
{
    int status, output = trial_file(), errors = trial_file();
    trial_share();
    fflush(NULL);
    pid_t child = fork();
    g_assert(child >= 0);
    if (child == 0)
        trial_child(func, data, patience, output, errors);
    while (waitpid(child, &status, 0) < 0)
        g_assert(errno == EINTR);
    Verdict verdict = *shared;
    g_autofree char *said = trial_read(errors);
    g_autofree char *told = trial_read(output);
    if (!verdict.failed && (!WIFEXITED(status) || WEXITSTATUS(status) != 0))
        trial_blame(&verdict, status, said);
    if (ret_output != NULL)
        *ret_output = g_steal_pointer(&told);
    return verdict;
}
