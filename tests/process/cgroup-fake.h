/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hierarchies that this machine has not: directories and plain files in a temporary directory,
 * which a table of system calls and two functions of libc (by the linker, --wrap) make look like
 * cgroups. */

#include "process/cgroup.h"

typedef struct CgroupFake {
    char *directory;
    char *base;        /* directory/hierarchy, shown as the hierarchy */
    Sys sys;           /* its members may be replaced at any time */
    GString *written;  /* "PATH=TEXT\n" of each, below base */
    const char *files; /* what a new directory has, "NAME NAME" */
    /* Writing this to that file fails... */
    const char *fail_path;
    const char *fail_text;
    int fail_errno;
    const char *fail_until; /* ...until this path was written; NULL: always */
    bool is_systemd;
    const char *delegated; /* the extended attribute that every directory has, or NULL */
    bool is_cgroup;        /* of what file system the directories are */
} CgroupFake;

/* One at a time. With an empty base, mounted at base, in which this process is. */
void cgroup_fake_init(CgroupFake *fake, const void *unused);
void cgroup_fake_done(CgroupFake *fake, const void *unused);
/* The file below base, or, with a name such as "mountinfo", of /proc/self. BASE stands for it. */
void cgroup_fake_write(CgroupFake *fake, const char *path, const char *text);
void cgroup_fake_mkdir(CgroupFake *fake, const char *path);
bool cgroup_fake_has(CgroupFake *fake, const char *path);
/* NULL: with an error. */
CgroupTree *cgroup_fake_tree(CgroupFake *fake, const char *where, GError **error);
/* The tree that must not be, and why; with BASE for the base. */
char *cgroup_fake_refusal(CgroupFake *fake, const char *where);
/* What was written since this was asked last. */
char *cgroup_fake_take(CgroupFake *fake);
