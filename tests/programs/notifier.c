/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says what its arguments are, one datagram each, and then stays. Words that begin with @ do
 * something instead:
 *   @exit N          exits
 *   @flood N         says STATUS=0, STATUS=1, ... N times
 *   @flood-all N     says ERRNO=0, ERRNO=1, ... N times, and MAINPID of a child and of itself in
 * turn
 *   @long            says more than a datagram may hold
 *   @child TEXT      a child says TEXT and stays
 *   @session TEXT    a child in a session of its own says TEXT and stays
 *                    for as long as the program
 *   @hand-over TEXT  a child in a session of its own says MAINPID of itself and TEXT, and stays;
 *                    the program exits with 0
 *   @daemonise       a child is named by MAINPID; when the program has exited with 0 it opens a
 *                    session of its own, says READY=1, and stays
 *   @foreign-main    says MAINPID of process 1
 *   @fds             says READY=1 with descriptors attached
 *   @write-path FILE writes the path of the socket to FILE
 * Everything ends after a minute, whatever happens. */

#include "notify.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

static char **next_argument;

static void do_exit(void)
{
    exit(atoi(*next_argument++));
}

static void do_flood(void)
{
    for (int i = 0, n = atoi(*next_argument++); i < n; i++) {
        char text[64];

        (void)snprintf(text, sizeof text, "STATUS=%d", i);
        notify_send(text);
    }
}

static void do_flood_all(void)
{
    pid_t pids[2] = {getpid(), fork()};

    if (pids[1] == 0) {
        alarm(60);
        for (;;)
            pause();
    }
    for (int i = 0, n = atoi(*next_argument++); i < n; i++) {
        char text[64];

        (void)snprintf(text, sizeof text, "ERRNO=%d\nMAINPID=%d", i, (int)pids[i % 2]);
        notify_send(text);
    }
}

static void do_long(void)
{
    static char text[5000] = "READY=1\n";

    memset(text + strlen(text), 'x', sizeof text - strlen(text) - 1);
    notify_send(text);
}

static void do_child(void)
{
    const char *text = *next_argument++;

    if (fork() == 0) {
        alarm(60);
        notify_send(text);
        for (;;)
            pause();
    }
}

static void do_session(void)
{
    const char *text = *next_argument++;

    if (fork() == 0) {
        alarm(60);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)setsid();
        notify_send(text);
        for (;;)
            pause();
    }
}

static void do_hand_over(void)
{
    const char *text = *next_argument++;
    int fds[2];
    char byte;

    if (pipe(fds) < 0)
        exit(93);
    if (fork() == 0) {
        char message[512];

        alarm(60);
        (void)setsid();
        (void)snprintf(message, sizeof message, "MAINPID=%d\n%s", (int)getpid(), text);
        notify_send(message);
        (void)close(fds[1]);
        for (;;)
            pause();
    }
    /* Until the child has spoken. */
    (void)close(fds[1]);
    (void)!read(fds[0], &byte, 1);
    exit(0);
}

static void do_daemonise(void)
{
    int fds[2];
    char byte, message[64];

    if (pipe(fds) < 0)
        exit(93);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(60);
        (void)close(fds[1]);
        (void)!read(fds[0], &byte, 1);
        (void)setsid();
        notify_send("READY=1");
        for (;;)
            pause();
    }
    (void)snprintf(message, sizeof message, "MAINPID=%d", (int)pid);
    notify_send(message);
    exit(0);
}

static void do_foreign_main(void)
{
    notify_send("MAINPID=1");
}

static void do_fds(void)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0), fds[2] = {0, 1};
    char text[] = "READY=1";
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof fds)];
    } control = {0};
    struct iovec vector = {text, strlen(text)};
    struct msghdr message = {&address, sizeof address, &vector, 1, &control, sizeof control, 0};
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);

    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s", getenv("NOTIFY_SOCKET"));
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof fds);
    memcpy(CMSG_DATA(header), fds, sizeof fds);
    if (sendmsg(fd, &message, 0) < 0)
        exit(90);
    (void)close(fd);
}

static void do_write_path(void)
{
    FILE *file = fopen(*next_argument++, "we");

    if (file == NULL || fputs(getenv("NOTIFY_SOCKET"), file) < 0 || fclose(file) != 0)
        exit(92);
}

static const struct {
    const char *word;
    void (*act)(void);
} words[] = {
        {"@exit", do_exit},
        {"@flood", do_flood},
        {"@long", do_long},
        {"@flood-all", do_flood_all},
        {"@child", do_child},
        {"@session", do_session},
        {"@hand-over", do_hand_over},
        {"@daemonise", do_daemonise},
        {"@foreign-main", do_foreign_main},
        {"@fds", do_fds},
        {"@write-path", do_write_path},
};

static void act(const char *word)
{
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        if (strcmp(words[i].word, word) == 0) {
            words[i].act();
            return;
        }
    }
    exit(99);
}

int main(int argc, char **argv)
{
    alarm(60);
    next_argument = argv + 1;
    while (*next_argument != NULL) {
        const char *word = *next_argument++;

        if (word[0] == '@')
            act(word);
        else
            notify_send(word);
    }
    for (;;)
        pause();
}
