/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* dot(1) reads all of its input before it draws, and writes where we would: nothing is in between
 * that could fill up. */

#include "draw.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* Its input is fd. 0 or a positive errno. */
static int draw_spawn(int fd, pid_t *ret_pid)
{
    char *const command[] = {(char *)"dot", (char *)"-Tsvg", NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t ignored_here;
    extern char **environ;

    (void)sigemptyset(&ignored_here);
    (void)sigaddset(&ignored_here, SIGPIPE);
    (void)posix_spawn_file_actions_init(&actions);
    (void)posix_spawnattr_init(&attributes);
    (void)posix_spawnattr_setsigdefault(&attributes, &ignored_here);
    (void)posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGDEF);
    int r = posix_spawn_file_actions_adddup2(&actions, fd, STDIN_FILENO);
    if (r == 0)
        r = posix_spawnp(ret_pid, command[0], &actions, &attributes, command, environ);
    (void)posix_spawnattr_destroy(&attributes);
    (void)posix_spawn_file_actions_destroy(&actions);
    return r;
}

/* A reader that has ended says by its exit status what is wrong. */
static void draw_feed(int fd, const char *text)
{
    size_t length = strlen(text);
    ssize_t n;

    while (length > 0 && ((n = write(fd, text, length)) >= 0 || errno == EINTR)) {
        text += MAX(n, 0);
        length -= (size_t)MAX(n, 0);
    }
}

static Outcome draw_await(pid_t pid)
{
    int status;

    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR)
            return client_fail(OUTCOME_FAILED, "cannot wait for dot: %s", g_strerror(errno));
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return OUTCOME_DONE;
    return client_fail(OUTCOME_FAILED, "dot has failed, with %s %d",
                       WIFEXITED(status) ? "exit status" : "signal",
                       WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
}

Outcome draw_svg(const char *dot)
{
    int pipe_fds[2];
    pid_t pid;

    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return client_fail(OUTCOME_FAILED, "cannot draw: %s", g_strerror(errno));
    (void)signal(SIGPIPE, SIG_IGN); /* fails for no such signal */
    (void)fflush(stdout);           /* so that both appear in their order */
    int r = draw_spawn(pipe_fds[0], &pid);
    (void)close(pipe_fds[0]);
    if (r == 0)
        draw_feed(pipe_fds[1], dot);
    (void)close(pipe_fds[1]);
    if (r == ENOENT)
        return client_fail(OUTCOME_FAILED, "cannot draw: there is no program 'dot' (install the "
                                           "package graphviz, or use svcmgr graph without --svg)");
    if (r != 0)
        return client_fail(OUTCOME_FAILED, "cannot draw: dot: %s", g_strerror(r));
    return draw_await(pid);
}
