/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One of many that start and stop in an order. It says itself, with the monotonic time, how far it
 * is: a line "NAME WHAT MICROSECONDS" at the end of FILE, which may be a FIFO:
 *   begin   it runs
 *   ready   said just before READY=1, or (oneshot) just before it exits with 0
 *   stop    it was told to end, by SIGTERM
 *   end     said just before it exits with 0 then
 *
 *     program-step FILE NAME READY_MSEC [WORD...]
 *
 *   held            is not ready by itself: only when SIGUSR1 comes, READY_MSEC later
 *   oneshot         has done its work when it is ready
 *   linger MSEC     takes so long to end
 *   unless FILE     exits with 3 at once where there is such a file, after "begin"
 * It ends when its test does, and whatever happens after two minutes. */

#include "notify.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/signalfd.h>
#include <time.h>

#define STEP_NEVER -1

typedef struct Step {
    const char *file;
    const char *name;
    long ready_msec;
    long linger_msec;
    bool is_held;
    bool is_oneshot;
    const char *unless;
} Step;

static long long step_now_usec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* One write: what several say at once stays whole. */
static void step_say(const Step *step, const char *what)
{
    char line[256];
    int fd = open(step->file, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
    int n = snprintf(line, sizeof line, "%s %s %lld\n", step->name, what, step_now_usec());

    if (fd < 0 || n >= (int)sizeof line || write(fd, line, (size_t)n) != n)
        exit(92);
    (void)close(fd);
}

static void step_be_ready(const Step *step)
{
    step_say(step, "ready");
    if (step->is_oneshot)
        exit(0);
    if (getenv("NOTIFY_SOCKET") != NULL)
        notify_send("READY=1");
}

static void step_end(const Step *step)
{
    step_say(step, "end");
    exit(0);
}

/* Until the time (STEP_NEVER: for ever), or until a signal comes, which is returned; 0: none. */
static int step_wait(int fd, long long until_usec)
{
    struct pollfd polled = {.fd = fd, .events = POLLIN};
    struct signalfd_siginfo info;

    for (;;) {
        long long left = until_usec - step_now_usec();
        int timeout = until_usec == STEP_NEVER ? -1 : left > 0 ? (int)((left + 999) / 1000) : 0;
        int n = poll(&polled, 1, timeout);

        if (n > 0 && read(fd, &info, sizeof info) == sizeof info)
            return (int)info.ssi_signo;
        if (n == 0)
            return 0;
        if (errno != EINTR)
            exit(93);
    }
}

static long long step_after(long msec)
{
    return step_now_usec() + msec * 1000;
}

static void step_live(const Step *step, int fd)
{
    bool is_stopping = false;
    long long until = step->is_held ? STEP_NEVER : step_after(step->ready_msec);

    for (;;) {
        int signo = step_wait(fd, until);

        if (signo == SIGTERM && !is_stopping) {
            step_say(step, "stop");
            is_stopping = true;
            until = step_after(step->linger_msec);
        } else if (signo == SIGUSR1 && !is_stopping) {
            until = step_after(step->ready_msec);
        } else if (signo == 0 && is_stopping) {
            step_end(step);
        } else if (signo == 0) {
            step_be_ready(step);
            until = STEP_NEVER;
        }
    }
}

static void step_read_words(Step *step, char **words)
{
    for (; *words != NULL; words++) {
        if (strcmp(*words, "held") == 0)
            step->is_held = true;
        else if (strcmp(*words, "oneshot") == 0)
            step->is_oneshot = true;
        else if (strcmp(*words, "linger") == 0 && words[1] != NULL)
            step->linger_msec = atol(*++words);
        else if (strcmp(*words, "unless") == 0 && words[1] != NULL)
            step->unless = *++words;
        else
            exit(99);
    }
}

int main(int argc, char **argv)
{
    Step step = {0};
    sigset_t signals;

    if (argc < 4)
        return 99;
    alarm(120);
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGUSR1);
    (void)sigprocmask(SIG_BLOCK, &signals, NULL);

    step.file = argv[1];
    step.name = argv[2];
    step.ready_msec = atol(argv[3]);
    step_read_words(&step, argv + 4);
    int fd = signalfd(-1, &signals, SFD_CLOEXEC);
    if (fd < 0)
        return 93;
    step_say(&step, "begin");
    if (step.unless != NULL && access(step.unless, F_OK) == 0)
        return 3;
    step_live(&step, fd);
}
