/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A fork bomb that is bounded: "program-bomb FILE TOTAL [runner]". Each of its processes forks one
 * after the other, each in a session of its own, which do the same, until TOTAL have been born in
 * all (10000 at most); then they stay. A runner exits when it has forked: there is one at a time,
 * which is somebody else each time. FILE is shared memory: see bomb.h. */

#include "bomb.h"
#include "stay.h"

#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define BOMB_BORN_MAX 10000

static BombCounts *map_counts(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, sizeof(BombCounts)) < 0)
        exit(90);
    BombCounts *counts = mmap(NULL, sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (counts == MAP_FAILED)
        exit(91);
    return counts;
}

/* Whether one more may be born. What is counted here need not come into being. */
static bool may_fork(BombCounts *counts, unsigned total)
{
    return __atomic_fetch_add(&counts->n_begun, 1, __ATOMIC_SEQ_CST) < total;
}

static void begin_life(BombCounts *counts)
{
    stay_begin();
    (void)setsid();
    __atomic_fetch_add(&counts->n_born, 1, __ATOMIC_SEQ_CST);
}

int main(int argc, char **argv)
{
    bool is_runner = argc == 4 && strcmp(argv[3], "runner") == 0;
    int total = argc > 2 ? atoi(argv[2]) : 0;

    if (total <= 0 || total > BOMB_BORN_MAX || (argc > 3 && !is_runner))
        return 99;
    BombCounts *counts = map_counts(argv[1]);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for anybody */
    stay_begin();
    while (may_fork(counts, (unsigned)total)) {
        pid_t pid = fork();

        if (pid == 0)
            begin_life(counts);
        else if (pid < 0 || is_runner)
            break;
    }
    if (!is_runner || counts->n_begun >= (unsigned)total)
        stay();
    return 0;
}
