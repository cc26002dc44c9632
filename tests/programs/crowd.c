/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* crowd UID N PATH TEXT: as user UID, N threads connect to the socket PATH and say TEXT as often as
 * it takes it. Says "begun" on standard output before the first word, and ends when standard input
 * is closed, or after half a minute. */

#include "notify.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>

#define CROWD_STACK_BYTES (64 * 1024)

static struct sockaddr_un crowd_address = {.sun_family = AF_UNIX};
static const char *crowd_text;

static void *on_crowd_thread(void *data)
{
    int fd = *(const int *)data;
    ssize_t n;

    do {
        n = send(fd, crowd_text, strlen(crowd_text), MSG_NOSIGNAL);
    } while (n >= 0 || errno == EINTR);
    return NULL;
}

static int crowd_open(void)
{
    const struct sockaddr *address = (const struct sockaddr *)&crowd_address;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    if (fd < 0 || connect(fd, address, sizeof crowd_address) < 0)
        exit(91);
    return fd;
}

int main(int argc, char **argv)
{
    uid_t uid = argc == 5 ? (uid_t)atoi(argv[1]) : 0;
    int n = argc == 5 ? atoi(argv[2]) : 0;
    int *fds = calloc((size_t)n + 1, sizeof *fds);
    pthread_attr_t attributes;
    pthread_t thread;
    char byte;

    alarm(30);
    if (n <= 0 || fds == NULL || setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        return 92;
    (void)snprintf(crowd_address.sun_path, sizeof crowd_address.sun_path, "%s", argv[3]);
    crowd_text = argv[4];
    (void)pthread_attr_init(&attributes);
    (void)pthread_attr_setstacksize(&attributes, CROWD_STACK_BYTES);
    for (int i = 0; i < n; i++)
        fds[i] = crowd_open();
    if (write(STDOUT_FILENO, "begun\n", 6) != 6)
        return 93;
    for (int i = 0; i < n; i++) {
        if (pthread_create(&thread, &attributes, on_crowd_thread, &fds[i]) != 0)
            return 94;
    }
    return read(STDIN_FILENO, &byte, 1) == 0 ? 0 : 95;
}
