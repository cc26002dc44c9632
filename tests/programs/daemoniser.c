/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Makes daemons of the old school: forked twice, each in a session of its own, with nothing of the
 * program that was started but what is inherited. "program-daemoniser WORD... FILE"; their process
 * ids are in FILE as soon as all are as they should be. Then it exits with 0. Words:
 *   many N     N of them (1)
 *   wipe       they write over their environment and arguments, as programs do that show a title
 *   unmark     they set RLIMIT_LOCKS to something of their own
 *   stubborn   they ignore SIGTERM
 *   notify     they say READY=1, after all else
 *   stay       the program that was started stays until a signal ends it
 * They end with their test (stay.h). */

#include "note.h"
#include "notify.h"
#include "stay.h"

#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>

#define DAEMONS_MAX 1000

typedef struct Wishes {
    int n;
    bool wipes, unmarks, is_stubborn, notifies, stays;
} Wishes;

/* The kernel puts arguments and environment side by side. */
static void show_title(char **argv)
{
    char *end = argv[0];

    for (char **at = argv; *at != NULL; at++)
        end = *at + strlen(*at) + 1;
    for (char **at = environ; *at != NULL; at++)
        end = *at + strlen(*at) + 1;
    memset(argv[0], '\0', (size_t)(end - argv[0]));
    memcpy(argv[0], "daemon: idle", sizeof "daemon: idle");
}

static void run_daemon(const Wishes *wishes, char **argv, int ready_fd)
{
    const struct rlimit own = {.rlim_cur = 1, .rlim_max = 2};
    const char *socket = getenv("NOTIFY_SOCKET");
    char *path = socket != NULL ? strdup(socket) : NULL;
    pid_t pid = getpid();

    stay_begin();
    if (wishes->is_stubborn)
        signal(SIGTERM, SIG_IGN);
    if (wishes->unmarks && setrlimit(RLIMIT_LOCKS, &own) < 0)
        exit(92);
    if (wishes->wipes)
        show_title(argv);
    if (write(ready_fd, &pid, sizeof pid) != sizeof pid)
        exit(93);
    (void)close(ready_fd);
    if (wishes->notifies && path != NULL)
        notify_send_to(path, "READY=1", strlen("READY=1"));
    stay();
}

static void fork_daemon(const Wishes *wishes, char **argv, int ready_fd)
{
    pid_t pid = fork();

    if (pid < 0)
        exit(94);
    if (pid == 0) {
        if (setsid() < 0)
            _exit(95);
        pid = fork();
        if (pid == 0)
            run_daemon(wishes, argv, ready_fd);
        _exit(pid < 0 ? 96 : 0);
    }
    (void)waitpid(pid, NULL, 0); /* its daemon says whether it went well */
}

static Wishes parse(int argc, char **argv)
{
    Wishes wishes = {.n = 1};

    for (int i = 1; i < argc - 1; i++) {
        if (strcmp(argv[i], "many") == 0 && i + 2 < argc)
            wishes.n = atoi(argv[++i]);
        else if (strcmp(argv[i], "wipe") == 0)
            wishes.wipes = true;
        else if (strcmp(argv[i], "unmark") == 0)
            wishes.unmarks = true;
        else if (strcmp(argv[i], "stubborn") == 0)
            wishes.is_stubborn = true;
        else if (strcmp(argv[i], "notify") == 0)
            wishes.notifies = true;
        else if (strcmp(argv[i], "stay") == 0)
            wishes.stays = true;
        else
            exit(99);
    }
    if (argc < 2 || wishes.n < 1 || wishes.n > DAEMONS_MAX)
        exit(99);
    return wishes;
}

int main(int argc, char **argv)
{
    static pid_t pids[DAEMONS_MAX];
    Wishes wishes = parse(argc, argv);
    int fds[2];

    stay_begin();
    if (pipe(fds) < 0)
        return 97;
    for (int i = 0; i < wishes.n; i++)
        fork_daemon(&wishes, argv, fds[1]);
    (void)close(fds[1]);
    for (int i = 0; i < wishes.n; i++) {
        if (read(fds[0], &pids[i], sizeof pids[i]) != sizeof pids[i])
            return 98;
    }
    note_pids(argv[argc - 1], pids, wishes.n);
    if (wishes.stays)
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (wishes.stays)
        stay();
    return 0;
}
