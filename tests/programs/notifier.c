/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says what its arguments are, one datagram each ("\n" and "\\" stand for a newline and a
 * backslash), and then stays. Words that begin with @ do something instead:
 *   @exit N            exits
 *   @user N            becomes user N, which root can
 *   @abort             ends by SIGABRT
 *   @flood N           says STATUS=0, STATUS=1, ... N times
 *   @flood-all N       says ERRNO=0, ERRNO=1, ... N times, and MAINPID of a child and of itself in
 *                      turn
 *   @long              says more than a datagram may hold
 *   @child TEXT        a child says TEXT and stays
 *   @session TEXT      a child in a session of its own says TEXT and stays
 *                      for as long as the program
 *   @hand-over TEXT    a child in a session of its own says MAINPID of itself and TEXT, and stays;
 *                      the program exits with 0
 *   @daemonise         a child is named by MAINPID; when the program has exited with 0 it opens a
 *                      session of its own, says READY=1, and stays
 *   @foreign-main      says MAINPID of process 1
 *   @self-main         says MAINPID of itself
 *   @fds               says READY=1 with descriptors attached
 *   @give KINDS TEXT   says TEXT with descriptors (fds_make) that it does not keep
 *   @hang-up           closes the other ends of what it has given
 *   @barrier           says BARRIER=1, and waits until all it has said was heard
 *   @reloading         says RELOADING=1 with MONOTONIC_USEC
 *   @every MSEC TEXT   says TEXT so often while it stays; 0 ends that
 *   @passed FILE       what it was passed (fds_print_passed), to FILE, which appears when it is
 * whole
 *   @write-path FILE   writes the path of the socket to FILE
 *   @note FILE TEXT    adds a line to FILE
 *   @write-fd N TEXT   writes to descriptor N, as readiness by a descriptor wants it
 *   @close-fd N        closes it
 *   @on SIGNAL ... @end  does what is between them whenever the signal comes (HUP, INT, TERM, USR1,
 *                      USR2, ABRT); to be said before it may come
 *   @control FIFO      once it stays, does what lines of FIFO say: words as here, with a tab
 * between Everything ends after a minute, whatever happens. */

#include "fds.h"
#include "notify.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>

#define LINE_MAX_BYTES 4096
#define LINE_MAX_WORDS 64

static char **next_argument;

static void run(char **words);

/* The next word as a text to be said. A copy: the word may come again. */
static const char *next_text(void)
{
    char *text = strdup(*next_argument++), *to = text;

    for (const char *from = text; *from != '\0'; from++) {
        if (*from == '\\' && from[1] != '\0')
            *to++ = *++from == 'n' ? '\n' : *from;
        else
            *to++ = *from;
    }
    *to = '\0';
    return text;
}

static int next_number(void)
{
    return atoi(*next_argument++);
}

static void do_exit(void)
{
    exit(next_number());
}

static void do_user(void)
{
    uid_t uid = (uid_t)next_number();

    if (setresgid(uid, uid, uid) < 0 || setresuid(uid, uid, uid) < 0)
        exit(1);
}

static void do_abort(void)
{
    abort();
}

static void do_flood(void)
{
    for (int i = 0, n = next_number(); i < n; i++) {
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
    for (int i = 0, n = next_number(); i < n; i++) {
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
    const char *text = next_text();

    if (fork() == 0) {
        alarm(60);
        notify_send(text);
        for (;;)
            pause();
    }
}

static void do_session(void)
{
    const char *text = next_text();

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
    const char *text = next_text();
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

static void do_self_main(void)
{
    char text[32];

    (void)snprintf(text, sizeof text, "MAINPID=%d", (int)getpid());
    notify_send(text);
}

static void do_fds(void)
{
    const int fds[] = {0, 1};

    notify_send_fds("READY=1", fds, 2);
}

static void do_give(void)
{
    int fds[FDS_MAX];
    size_t n = fds_make(*next_argument++, fds);

    notify_send_fds(next_text(), fds, n);
    for (size_t i = 0; i < n; i++)
        (void)close(fds[i]);
}

static void do_reloading(void)
{
    struct timespec now;
    char text[64];

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%lld",
                   (long long)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    notify_send(text);
}

static void do_passed(void)
{
    const char *path = *next_argument++;
    char part[LINE_MAX_BYTES];

    (void)snprintf(part, sizeof part, "%s.part", path);
    FILE *file = fopen(part, "we");
    if (file == NULL)
        exit(92);
    fds_print_passed(file);
    if (fclose(file) != 0 || rename(part, path) < 0)
        exit(92);
}

static void do_write_path(void)
{
    FILE *file = fopen(*next_argument++, "we");

    if (file == NULL || fputs(getenv("NOTIFY_SOCKET"), file) < 0 || fclose(file) != 0)
        exit(92);
}

static void do_note(void)
{
    FILE *file = fopen(*next_argument++, "ae");

    if (file == NULL || fprintf(file, "%s\n", next_text()) < 0 || fclose(file) != 0)
        exit(92);
}

static void do_write_fd(void)
{
    int fd = next_number();
    const char *text = next_text();

    if (write(fd, text, strlen(text)) < 0)
        exit(97);
}

static void do_close_fd(void)
{
    (void)close(next_number());
}

/* While it stays */

static struct {
    const char *name;
    int signo;
    char **words; /* NULL: as the kernel does */
} reactions[] = {
        {"HUP", SIGHUP, NULL},   {"INT", SIGINT, NULL},   {"TERM", SIGTERM, NULL},
        {"USR1", SIGUSR1, NULL}, {"USR2", SIGUSR2, NULL}, {"ABRT", SIGABRT, NULL},
};
#define N_REACTIONS (sizeof reactions / sizeof reactions[0])

static sigset_t awaited;
static int control_fd = -1;
static const char *every_text;
static int every_msec; /* 0: never */
static long long every_next_msec;

static void do_on(void)
{
    const char *name = *next_argument++;
    char **words = next_argument;
    size_t i = 0;

    while (i < N_REACTIONS && strcmp(reactions[i].name, name) != 0)
        i++;
    if (i == N_REACTIONS)
        exit(99);
    while (strcmp(*next_argument++, "@end") != 0)
        ;
    reactions[i].words = words;
    (void)sigaddset(&awaited, reactions[i].signo);
    (void)sigprocmask(SIG_BLOCK, &awaited, NULL);
}

/* Both ends, so that it never comes to an end. */
static void do_control(void)
{
    control_fd = open(*next_argument++, O_RDWR | O_CLOEXEC | O_NONBLOCK);
    if (control_fd < 0)
        exit(98);
}

static long long now_msec(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static void do_every(void)
{
    every_msec = next_number();
    every_text = next_text();
    every_next_msec = now_msec() + every_msec;
}

static const struct {
    const char *word;
    void (*act)(void);
} words[] = {
        {"@exit", do_exit},
        {"@user", do_user},
        {"@abort", do_abort},
        {"@flood", do_flood},
        {"@long", do_long},
        {"@flood-all", do_flood_all},
        {"@child", do_child},
        {"@session", do_session},
        {"@hand-over", do_hand_over},
        {"@daemonise", do_daemonise},
        {"@foreign-main", do_foreign_main},
        {"@self-main", do_self_main},
        {"@fds", do_fds},
        {"@give", do_give},
        {"@hang-up", fds_hang_up},
        {"@barrier", notify_send_barrier},
        {"@reloading", do_reloading},
        {"@every", do_every},
        {"@passed", do_passed},
        {"@write-path", do_write_path},
        {"@note", do_note},
        {"@write-fd", do_write_fd},
        {"@close-fd", do_close_fd},
        {"@on", do_on},
        {"@control", do_control},
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

/* To their end, or to @end. */
static void run(char **list)
{
    next_argument = list;
    while (*next_argument != NULL && strcmp(*next_argument, "@end") != 0) {
        if (*next_argument[0] == '@')
            act(*next_argument++);
        else
            notify_send(next_text());
    }
}

static void stay_hear_signal(int fd)
{
    struct signalfd_siginfo info;

    if (read(fd, &info, sizeof info) != sizeof info)
        return;
    for (size_t i = 0; i < N_REACTIONS; i++) {
        if (reactions[i].signo == (int)info.ssi_signo)
            run(reactions[i].words);
    }
}

/* Never freed: the words may be those of a reaction. */
static void stay_obey(const char *line)
{
    char *rest = strdup(line), **list = calloc(LINE_MAX_WORDS + 1, sizeof *list);

    for (size_t n = 0; n < LINE_MAX_WORDS && rest != NULL; n++)
        list[n] = strsep(&rest, "\t");
    run(list);
}

static void stay_read_control(void)
{
    static char text[LINE_MAX_BYTES];
    static size_t length;
    ssize_t n = read(control_fd, text + length, sizeof text - length - 1);
    char *newline;

    length += n > 0 ? (size_t)n : 0;
    text[length] = '\0';
    while ((newline = strchr(text, '\n')) != NULL) {
        *newline = '\0';
        stay_obey(text);
        length -= (size_t)(newline + 1 - text);
        memmove(text, newline + 1, length + 1);
    }
}

static int stay_timeout(void)
{
    long long left = every_next_msec - now_msec();

    if (every_msec == 0)
        return -1;
    return left > 0 ? (int)left : 0;
}

static void stay_say_again(void)
{
    if (every_msec == 0 || now_msec() < every_next_msec)
        return;
    notify_send(every_text);
    every_next_msec += every_msec;
}

static void stay(void)
{
    for (;;) {
        int signal_fd = signalfd(-1, &awaited, SFD_CLOEXEC | SFD_NONBLOCK);
        struct pollfd fds[] = {{signal_fd, POLLIN, 0}, {control_fd, POLLIN, 0}};

        if (poll(fds, 2, stay_timeout()) > 0) {
            if (fds[0].revents != 0)
                stay_hear_signal(signal_fd);
            if (fds[1].revents != 0)
                stay_read_control();
        }
        stay_say_again();
        (void)close(signal_fd);
    }
}

int main(int argc, char **argv)
{
    alarm(60);
    (void)sigemptyset(&awaited);
    run(argv + 1);
    stay();
}
