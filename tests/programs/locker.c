/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs at most once for each service, and says so where it does not: it holds a lock on the file
 * FOLDER/ID.lock, which a child has too, and writes "PID TAG" there; who finds it taken adds a line
 * to FOLDER/doubled and aborts. Arguments: FOLDER, then these words:
 *   child   forks a child that stays
 *   end     exits with 0 at once, instead of staying
 *   stop N  takes N milliseconds to end on SIGTERM; -1: does not
 *
 * It must outlive the daemon that is killed, but not the test: that holds the other end of
 * FOLDER/life. */

#include "notify.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/file.h>

#define LONGEST_LIFE_SEC 300

static volatile sig_atomic_t is_told;

static void on_term(int signo)
{
    is_told = 1;
}

static int open_in(const char *folder, const char *name, const char *suffix, int flags)
{
    char path[4096];

    (void)snprintf(path, sizeof path, "%s/%s%s", folder, name, suffix);
    int fd = open(path, flags | O_CLOEXEC, 0600);
    if (fd < 0) {
        perror(path);
        exit(96);
    }
    return fd;
}

static void take_lock(const char *folder)
{
    const char *id = getenv("SVCMGR_ID"), *tag = getenv("TAG");
    int fd = open_in(folder, id, ".lock", O_RDWR | O_CREAT);

    if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
        int doubled = open_in(folder, "doubled", "", O_WRONLY | O_CREAT | O_APPEND);
        (void)dprintf(doubled, "%s: %d finds another one\n", id, (int)getpid());
        abort();
    }
    if (ftruncate(fd, 0) < 0 || dprintf(fd, "%d %s\n", (int)getpid(), tag != NULL ? tag : "") < 0)
        exit(97);
}

/* Until SIGTERM, or until the test is gone. */
static void stay(int life, int stop_msec)
{
    struct pollfd end = {.fd = life, .events = POLLIN};
    sigset_t none;

    (void)sigemptyset(&none);
    while (!is_told || stop_msec < 0) {
        if (ppoll(&end, 1, NULL, &none) > 0)
            return;
    }
    for (struct pollfd *nothing = NULL; poll(nothing, 0, stop_msec) < 0 && errno == EINTR;)
        ;
}

/* Told any time, but heard only where it waits. */
static void hear_sigterm(void)
{
    struct sigaction action = {.sa_handler = on_term};
    sigset_t set;

    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGTERM);
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

int main(int argc, char **argv)
{
    bool has_child = false, ends = false;
    int stop_msec = 0;

    alarm(LONGEST_LIFE_SEC);
    if (argc < 2 || getenv("SVCMGR_ID") == NULL)
        return 99;
    for (int i = 2; i < argc; i++) {
        has_child = has_child || strcmp(argv[i], "child") == 0;
        ends = ends || strcmp(argv[i], "end") == 0;
        if (strcmp(argv[i], "stop") == 0 && i + 1 < argc)
            stop_msec = atoi(argv[++i]);
    }
    hear_sigterm();
    int life = open_in(argv[1], "life", "", O_RDONLY | O_NONBLOCK);
    take_lock(argv[1]);
    if (ends)
        return 0;
    if (has_child && fork() == 0) {
        alarm(LONGEST_LIFE_SEC);
        stay(life, 0);
        return 0;
    }
    notify_send("READY=1");
    stay(life, stop_msec);
    return 0;
}
