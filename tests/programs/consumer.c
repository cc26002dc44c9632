/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Uses what it is told to, and stays: "program-consumer MEMORY_MIB CPU_MS THREADS CHILDREN FILE".
 * It touches that much memory, burns that much time of a processor, has that many threads in all,
 * and as many children that do nothing. FILE holds its process id when that is done. It ends with
 * its parent. */

#include "note.h"
#include "notify.h"
#include "stay.h"

#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

static void *on_thread(void *unused)
{
    for (;;)
        pause();
    return NULL;
}

static void touch(size_t size)
{
    char *memory = size > 0 ? mmap(NULL, size, PROT_READ | PROT_WRITE,
                                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0)
                            : NULL;

    if (memory == MAP_FAILED)
        exit(90);
    for (size_t at = 0; at < size; at += 4096)
        memory[at] = 1;
}

static void burn(long msec)
{
    struct timespec used;

    do {
        if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) < 0)
            exit(91);
    } while (used.tv_sec * 1000 + used.tv_nsec / 1000000 < msec);
}

static void fork_idle(void)
{
    pid_t parent = getpid(), pid = fork();

    if (pid < 0)
        exit(92);
    if (pid > 0)
        return;
    stay_begin();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
    stay();
}

int main(int argc, char **argv)
{
    pthread_t thread;
    pid_t pid = getpid();

    if (argc != 6)
        return 99;
    stay_begin();
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (int i = 0; i < atoi(argv[4]); i++)
        fork_idle();
    touch((size_t)atoi(argv[1]) << 20);
    burn(atoi(argv[2]));
    for (int i = 1; i < atoi(argv[3]); i++) {
        if (pthread_create(&thread, NULL, on_thread, NULL) != 0)
            return 93;
    }
    note_pids(argv[5], &pid, 1);
    if (getenv("NOTIFY_SOCKET") != NULL)
        notify_send("READY=1");
    stay();
}
