/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Writes to the file that is its first argument what it was started with, a line each: arguments,
 * environment, directory, umask, ids, open descriptors, session, signals, limits, priorities,
 * privileges, cgroup. */

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

extern char **environ;

static void print_strings(FILE *file, const char *what, char **strings)
{
    for (int i = 0; strings[i] != NULL; i++)
        fprintf(file, "%s %s\n", what, strings[i]);
}

static void print_groups(FILE *file)
{
    gid_t groups[256];
    int n = getgroups(256, groups);

    for (int i = 0; i < n; i++)
        fprintf(file, "supplementary %u\n", (unsigned)groups[i]);
}

/* Of those that nobody expects. */
static void print_link(FILE *file, int fd)
{
    char link[64], target[4096];

    if (fd <= 2)
        return;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    fprintf(file, "open %d %s\n", fd, target);
}

static void print_fds(FILE *file)
{
    char link[64], target[4096];
    DIR *directory = opendir("/proc/self/fd");

    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        int fd = atoi(entry->d_name);

        if (entry->d_name[0] == '.' || fd == dirfd(directory) || fd == fileno(file))
            continue;
        fprintf(file, "fd %d\n", fd);
        print_link(file, fd);
    }
    (void)snprintf(link, sizeof link, "/proc/self/fd/0");
    ssize_t n = readlink(link, target, sizeof target - 1);
    target[n > 0 ? n : 0] = '\0';
    fprintf(file, "stdin %s\n", target);
    closedir(directory);
}

static void print_signals(FILE *file)
{
    sigset_t mask;

    (void)sigprocmask(SIG_SETMASK, NULL, &mask);
    for (int signo = 1; signo < NSIG; signo++) {
        struct sigaction action;

        if (sigismember(&mask, signo) == 1)
            fprintf(file, "blocked %d\n", signo);
        if (sigaction(signo, NULL, &action) == 0 && action.sa_handler != SIG_DFL)
            fprintf(file, "handled %d\n", signo);
    }
}

static void print_limits(FILE *file)
{
    for (int resource = 0; resource < RLIM_NLIMITS; resource++) {
        struct rlimit limit;

        if (getrlimit((__rlimit_resource_t)resource, &limit) == 0)
            fprintf(file, "limit-%d %llu %llu\n", resource, (unsigned long long)limit.rlim_cur,
                    (unsigned long long)limit.rlim_max);
    }
}

/* Each line of a file of /proc that begins with one of these words, which end in NULL. */
static void print_lines(FILE *file, const char *path, const char *what, const char *const *words)
{
    char line[4096];
    FILE *source = fopen(path, "re");

    while (source != NULL && fgets(line, sizeof line, source) != NULL) {
        for (const char *const *word = words; *word != NULL; word++) {
            if (strncmp(line, *word, strlen(*word)) == 0)
                fprintf(file, "%s%s", what, line);
        }
    }
    if (source != NULL)
        fclose(source);
}

static void print_privileges(FILE *file)
{
    static const char *const status[] = {"Cap", "NoNewPrivs", NULL}, *const all[] = {"", NULL};

    print_lines(file, "/proc/self/status", "status ", status);
    print_lines(file, "/proc/self/oom_score_adj", "oom-score-adj ", all);
    print_lines(file, "/proc/self/cgroup", "cgroup ", all);
    fprintf(file, "nice %d\n", getpriority(PRIO_PROCESS, 0));
    fprintf(file, "pid %d\n", (int)getpid());
}

int main(int argc, char **argv)
{
    char temporary[4096], directory[4096];
    struct rlimit limit;
    mode_t mask = umask(0);

    if (argc < 2)
        return 99;
    (void)snprintf(temporary, sizeof temporary, "%s.new", argv[1]);
    FILE *file = fopen(temporary, "we");
    if (file == NULL)
        return 98;
    print_strings(file, "argument", argv);
    print_strings(file, "environment", environ);
    fprintf(file, "directory %s\n", getcwd(directory, sizeof directory));
    fprintf(file, "umask %04o\n", (unsigned)mask);
    fprintf(file, "user %u %u\n", (unsigned)getuid(), (unsigned)geteuid());
    fprintf(file, "group %u %u\n", (unsigned)getgid(), (unsigned)getegid());
    print_groups(file);
    print_fds(file);
    fprintf(file, "leads-session %d\n", getsid(0) == getpid());
    fprintf(file, "leads-group %d\n", getpgrp() == getpid());
    print_signals(file);
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    fprintf(file, "nofile %lu\n", (unsigned long)limit.rlim_cur);
    print_limits(file);
    print_privileges(file);
    if (fclose(file) != 0 || rename(temporary, argv[1]) < 0)
        return 97;
    return 0;
}
