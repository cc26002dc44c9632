/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Descriptors of many kinds to give away, and what there is in those that were passed at the
 * start (LISTEN_FDS). */

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define FDS_MAX 253
#define FDS_TEXT_BYTES 64
#define FDS_PASSED_FIRST 3

static int fds_others[FDS_MAX]; /* the other ends of what has two */
static size_t fds_n_others;

static inline void fds_hang_up(void)
{
    while (fds_n_others > 0)
        (void)close(fds_others[--fds_n_others]);
}

/* Closed on the way to another program. */
static inline int fds_keep_other(int fds[2], const char *text)
{
    if (fds_n_others == FDS_MAX || write(fds[1], text, strlen(text)) < 0)
        exit(95);
    fds_others[fds_n_others++] = fds[1];
    return fds[0];
}

static inline int fds_make_pipe(const char *text, int last)
{
    int fds[2];

    return pipe2(fds, O_CLOEXEC) < 0 ? -1 : fds_keep_other(fds, text);
}

static inline int fds_make_socket(const char *text, int last)
{
    int fds[2];

    return socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0 ? -1
                                                                       : fds_keep_other(fds, text);
}

static inline int fds_make_memory(const char *text, int last)
{
    int fd = memfd_create("given", MFD_CLOEXEC);

    return fd < 0 || write(fd, text, strlen(text)) < 0 ? -1 : fd;
}

static inline int fds_make_file(const char *path, int last)
{
    return open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
}

static inline int fds_make_null(const char *unused, int last)
{
    return open("/dev/null", O_RDWR | O_CLOEXEC);
}

static inline int fds_make_event(const char *unused, int last)
{
    return eventfd(0, EFD_CLOEXEC);
}

static inline int fds_make_listening(const char *path, int last)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof address) < 0)
        return -1;
    return listen(fd, 8) < 0 ? -1 : fd;
}

static inline int fds_make_same(const char *unused, int last)
{
    return fcntl(last, F_DUPFD_CLOEXEC, 0);
}

static const struct {
    const char *kind;
    int (*make)(const char *argument, int last);
} fds_kinds[] = {
        {"pipe", fds_make_pipe},        {"socket", fds_make_socket}, {"memory", fds_make_memory},
        {"file", fds_make_file},        {"null", fds_make_null},     {"event", fds_make_event},
        {"listen", fds_make_listening}, {"same", fds_make_same},
};

static inline int fds_make_one(const char *kind, const char *argument, int last)
{
    for (size_t i = 0; i < sizeof fds_kinds / sizeof fds_kinds[0]; i++) {
        if (strcmp(fds_kinds[i].kind, kind) == 0)
            return fds_kinds[i].make(argument, last);
    }
    return -1;
}

/* KIND[=ARGUMENT][*TIMES], more of them after commas:
 *   pipe=TEXT, socket=TEXT  an end from which TEXT can be read; the other stays here
 *   memory=TEXT, file=PATH, null, event, listen=PATH
 *   same                    the one before once more
 * Ends the program when one cannot be made. Returns how many. */
static inline size_t fds_make(const char *kinds, int fds[FDS_MAX])
{
    char *text = strdup(kinds), *rest = text;
    size_t n = 0;

    for (char *kind; (kind = strsep(&rest, ",")) != NULL;) {
        char *times = strchr(kind, '*'), *argument = strchr(kind, '=');
        int n_times = times != NULL ? atoi(times + 1) : 1;

        if (times != NULL)
            *times = '\0';
        if (argument != NULL)
            *argument++ = '\0';
        for (int i = 0; i < n_times; i++) {
            if (n == FDS_MAX)
                exit(96);
            fds[n] = fds_make_one(kind, argument != NULL ? argument : "", n > 0 ? fds[n - 1] : -1);
            if (fds[n++] < 0)
                exit(96);
        }
    }
    free(text);
    return n;
}

static inline const char *fds_type(mode_t mode)
{
    if (S_ISREG(mode))
        return "file";
    if (S_ISFIFO(mode))
        return "pipe";
    if (S_ISSOCK(mode))
        return "socket";
    return S_ISCHR(mode) ? "device" : "other";
}

/* What can be read now, up to the first newline. */
static inline void fds_read(int fd, mode_t mode, char text[FDS_TEXT_BYTES])
{
    struct pollfd waited = {.fd = fd, .events = POLLIN};
    ssize_t n = 0;

    if (S_ISREG(mode))
        n = pread(fd, text, FDS_TEXT_BYTES - 1, 0);
    else if ((S_ISFIFO(mode) || S_ISSOCK(mode)) && poll(&waited, 1, 0) > 0 &&
             (waited.revents & POLLIN) != 0)
        n = read(fd, text, FDS_TEXT_BYTES - 1);
    text[n > 0 ? n : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
}

/* A line for what the environment says, and one for each descriptor: "NUMBER NAME TYPE TEXT". */
static inline void fds_print_passed(FILE *file)
{
    const char *count = getenv("LISTEN_FDS"), *pid = getenv("LISTEN_PID");
    const char *all = getenv("LISTEN_FDNAMES");
    char *names = strdup(all != NULL ? all : "");

    (void)fprintf(file, "LISTEN_FDS=%s LISTEN_PID=%s\n", count != NULL ? count : "none",
                  pid == NULL             ? "none"
                  : atoi(pid) == getpid() ? "mine"
                                          : "another");
    for (int i = 0, n = count != NULL ? atoi(count) : 0; i < n; i++) {
        int fd = FDS_PASSED_FIRST + i;
        const char *name = strsep(&names, ":");
        char text[FDS_TEXT_BYTES] = "";
        struct stat status;

        if (fstat(fd, &status) < 0) {
            (void)fprintf(file, "%d missing\n", fd);
            continue;
        }
        fds_read(fd, status.st_mode, text);
        (void)fprintf(file, "%d %s %s %s\n", fd, name != NULL ? name : "?",
                      fds_type(status.st_mode), text);
    }
}
