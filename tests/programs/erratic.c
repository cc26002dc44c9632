/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A service with moods, for storms. Words, in this order:
 *   stubborn    ignores SIGTERM
 *   child       forks a child that stays and ignores SIGTERM
 *   daemon      a grandchild leaves the session, lets go of all that it has, and stays
 *   deaf        ignores SIGHUP
 *   ready MS    says READY=1 after so long
 *   newline MS  writes a newline to descriptor 3 after so long
 *   alive MS    says WATCHDOG=1 so often while it lives; to be said before
 *   chatty N    says STATUS=0 to STATUS=N-1, at once
 *   live MS     ends after so long; without it, it stays
 *   exit N, signal N   how it ends; without it, with 0
 * It ends when the test does, and whatever happens after a minute. */

#include "notify.h"

#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

static int alive_msec; /* 0: says nothing */

static void stay(void)
{
    for (;;)
        pause();
}

static void do_stubborn(int unused)
{
    (void)signal(SIGTERM, SIG_IGN);
}

static void do_child(int unused)
{
    if (fork() != 0)
        return;
    (void)signal(SIGTERM, SIG_IGN);
    alarm(60);
    stay();
}

static void do_daemon(int unused)
{
    const struct rlimit own = {.rlim_cur = 1, .rlim_max = 2};
    pid_t pid = fork();

    if (pid != 0) {
        (void)waitpid(pid, NULL, 0);
        return;
    }
    (void)setsid();
    if (fork() != 0)
        _exit(0);
    alarm(60);
    (void)setrlimit(RLIMIT_LOCKS, &own);
    stay();
}

static void do_deaf(int unused)
{
    (void)signal(SIGHUP, SIG_IGN);
}

static void do_alive(int msec)
{
    alive_msec = msec;
}

static void do_live(int msec)
{
    for (; alive_msec > 0 && msec > 0; msec -= alive_msec) {
        notify_send("WATCHDOG=1");
        (void)poll(NULL, 0, alive_msec < msec ? alive_msec : msec);
    }
    if (alive_msec == 0)
        (void)poll(NULL, 0, msec);
}

static void do_newline(int msec)
{
    (void)poll(NULL, 0, msec);
    (void)!write(3, "\n", 1); /* nobody listens any more: as well */
}

static void do_ready(int msec)
{
    (void)poll(NULL, 0, msec);
    notify_send("READY=1");
}

static void do_chatty(int n)
{
    char text[64];

    for (int i = 0; i < n; i++) {
        (void)snprintf(text, sizeof text, "STATUS=%d", i);
        notify_send(text);
    }
}

static void do_signal(int signo)
{
    (void)raise(signo);
}

static const struct {
    const char *word;
    void (*act)(int number);
    bool has_number;
    bool is_end;
} words[] = {
        {"stubborn", do_stubborn, false, false}, {"child", do_child, false, false},
        {"daemon", do_daemon, false, false},     {"deaf", do_deaf, false, false},
        {"newline", do_newline, true, false},    {"alive", do_alive, true, false},
        {"ready", do_ready, true, false},        {"chatty", do_chatty, true, false},
        {"live", do_live, true, true},           {"exit", exit, true, true},
        {"signal", do_signal, true, true},
};

int main(int argc, char **argv)
{
    bool ends = false;

    alarm(60);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 1; i < argc; i++) {
        size_t k = 0;

        while (k < sizeof words / sizeof words[0] && strcmp(words[k].word, argv[i]) != 0)
            k++;
        if (k == sizeof words / sizeof words[0] || (words[k].has_number && i + 1 == argc))
            return 99;
        ends = ends || words[k].is_end;
        words[k].act(words[k].has_number ? atoi(argv[++i]) : 0);
    }
    if (!ends)
        stay();
    return 0;
}
