/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A process that a test started: waited for by its pidfd with a deadline, never by its name. It is
 * killed when the test program dies. */

#include <glib.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

typedef struct Child {
    pid_t pid; /* 0: none */
    int pidfd;
} Child;

typedef struct ChildStreams {
    int output_fd; /* standard output; -1: /dev/null */
    int error_fd;  /* standard error; -1: /dev/null */
    int keep_fd;   /* one more that it inherits under its number; -1: none */
} ChildStreams;

/* argv[0] is looked up in PATH. Asserts success. */
void child_spawn(Child *child, const char *const *argv, const char *const *environment,
                 const ChildStreams *streams);
/* False: it still runs after timeout_usec. */
bool child_wait(Child *child, uint64_t timeout_usec, siginfo_t *ret_info);
/* Waits and gives the exit code; asserts that it exited by itself within the time. */
int child_wait_exit(Child *child, uint64_t timeout_usec);
void child_kill(const Child *child, int signo);
/* SIGTERM, and SIGKILL after timeout_usec; true if it ended before that. No child: true. */
bool child_end(Child *child, uint64_t timeout_usec);

/* Puts the child onto the processor that this process is on, and keeps both of them there. For
 * times of answers: to wake a processor that rests takes many times as long as a small answer does,
 * and whether it has to be done is chance. What the child has started before stays where it may. */
void child_share_processor(const Child *child);

/* Whether this process has any child at all. With child_adopt_orphans also those whose parent ended
 * without them. */
bool child_is_any_left(void);
void child_adopt_orphans(void);

/* Monotonic microseconds, for deadlines. */
uint64_t test_now_usec(void);
