/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says READY=1, and from then on, between SIGUSR2 and SIGUSR1, as much as its notify socket takes:
 * states, signs of life, descriptors to be kept, main processes that are none, and things that are
 * no messages. After each flood it says STATUS=calm N, N being that of the flood (1, 2, ...). It
 * has no other way to know that it is heard than that the socket takes more. Ends after two
 * minutes, whatever happens. */

#include "../programs/notify.h"

#include <signal.h>
#include <stddef.h>

#define FLOODER_FDS 16

static volatile sig_atomic_t is_flooding;

static void on_flooder_signal(int signo)
{
    is_flooding = signo == SIGUSR2;
}

/* A new one each time, so that none is kept already. */
static void flooder_give(unsigned number)
{
    char text[64];
    int fds[FLOODER_FDS];

    for (int i = 0; i < FLOODER_FDS; i += 2) {
        if (pipe2(&fds[i], O_CLOEXEC) < 0)
            exit(92);
    }
    (void)snprintf(text, sizeof text, "FDSTORE=1\nFDNAME=f%u\nFDPOLL=0", number);
    notify_send_fds(text, fds, FLOODER_FDS);
    for (int i = 0; i < FLOODER_FDS; i++)
        (void)close(fds[i]);
}

/* The daemon closes what is no pipe elsewhere than in its loop. */
static void flooder_give_file(void)
{
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (fd < 0)
        exit(93);
    notify_send_fds("FDSTORE=1\nFDNAME=file", &fd, 1);
    (void)close(fd);
}

static void flooder_say(unsigned number)
{
    static const char *const nonsense[] = {
            "WATCHDOG=1",      "MAINPID=1",          "MAINPID=-7",        "MAINPID=4000000000",
            "STATUS=\xff\xfe", "=\n\n==\nREADY",     "ERRNO=notanumber",  "\x01\x02\x03",
            "MAINPID=self",    "WATCHDOG_USEC=many", "NOTIFYACCESS=mine", "FDSTOREREMOVE=1",
    };
    static char big[8192];
    char text[64];

    (void)snprintf(text, sizeof text, "STATUS=%u\nERRNO=%u", number, number % 100);
    notify_send(text);
    notify_send("WATCHDOG=1");
    notify_send(nonsense[number % (sizeof nonsense / sizeof nonsense[0])]);
    if (number % 4 == 0)
        flooder_give(number);
    else
        flooder_give_file();
    if (number % 32 == 0) {
        memset(big, 'x', sizeof big - 1);
        notify_send(big);
    }
}

static void flooder_flood(int n_floods)
{
    char text[64];

    for (unsigned i = 0; is_flooding; i++)
        flooder_say(i);
    (void)snprintf(text, sizeof text, "STATUS=calm %d", n_floods);
    notify_send(text);
}

int main(void)
{
    const struct sigaction action = {.sa_handler = on_flooder_signal, .sa_flags = SA_RESTART};
    sigset_t told, none;

    alarm(120);
    (void)sigemptyset(&none);
    (void)sigemptyset(&told);
    (void)sigaddset(&told, SIGUSR1);
    (void)sigaddset(&told, SIGUSR2);
    (void)sigaction(SIGUSR1, &action, NULL);
    (void)sigaction(SIGUSR2, &action, NULL);
    notify_send("READY=1");
    for (int n_floods = 1;; n_floods++) {
        (void)sigprocmask(SIG_BLOCK, &told, NULL);
        while (!is_flooding)
            (void)sigsuspend(&none);
        (void)sigprocmask(SIG_UNBLOCK, &told, NULL);
        flooder_flood(n_floods);
    }
}
