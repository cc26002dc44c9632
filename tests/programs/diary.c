/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes down what becomes of it, a line each: "program-diary ID FILE [GATE]". "begin ID"; with a
 * gate, when it has read a byte from there, "up ID", and it is ready (a newline to descriptor 3);
 * "down ID" when it is asked to end, which it never misses. */

#include <err.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* At once, so that lines of others stay whole. */
static void diary_write(int fd, const char *what, const char *id)
{
    char line[256];
    int length = snprintf(line, sizeof line, "%s %s\n", what, id);

    if (write(fd, line, (size_t)length) != length)
        err(1, "write");
}

static void diary_pass_gate(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char byte;

    if (fd < 0 || read(fd, &byte, 1) != 1)
        err(1, "%s", path);
    (void)close(fd); /* it was only read from */
}

int main(int argc, char **argv)
{
    sigset_t set;
    int signo;

    if (argc < 3)
        return 2;
    (void)sigemptyset(&set);        /* of a good set */
    (void)sigaddset(&set, SIGTERM); /* likewise */
    (void)sigprocmask(SIG_BLOCK, &set, NULL);
    int fd = open(argv[2], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        err(1, "%s", argv[2]);
    diary_write(fd, "begin", argv[1]);
    if (argc > 3)
        diary_pass_gate(argv[3]);
    diary_write(fd, "up", argv[1]);
    if (write(3, "\n", 1) != 1)
        err(1, "write");
    (void)sigwait(&set, &signo); /* nothing else is in the set */
    diary_write(fd, "down", argv[1]);
    return 0;
}
