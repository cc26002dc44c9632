/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of the cgroups share: the two structs, the kernel's small files, and a walk over a
 * directory and those below it (a program may divide its own cgroup further). */

#include "process/cgroup.h"

#define CGROUP_NAME_MAX 255
#define CGROUP_FILE_BYTES (CGROUP_NAME_MAX + 64)
/* The kernel writes less into any file of a cgroup, but for those with lists. */
#define CGROUP_TEXT_BYTES 8192
/* The daemon's own, where it may not stay in the base. No id begins with a dot. */
#define CGROUP_LEAF ".daemon"
/* In a service's. */
#define CGROUP_HELPERS ".control"

struct CgroupTree {
    const Sys *sys;
    WatchHost *watches;
    char *name;
    char *path;
    int base_fd;          /* in which the tree is */
    int fd;               /* of the tree */
    int spare_fd;         /* given up for as long as a question needs one and there is none */
    unsigned controllers; /* bits: enabled */
    unsigned enabled;     /* bits: in the base, by us */
    bool has_leaf;        /* the daemon is in it */
    char *why_not[_CGROUP_CONTROLLER_MAX];
    Cgroup *first;
    GHashTable *left; /* names of directories that were to be removed and could not be */
};

/* Small: a service that runs has one. */
struct Cgroup {
    CgroupTree *tree;
    Cgroup *previous, *next;
    struct CgroupWatch *watch; /* or NULL */
    int directory_fd, leaf_fd, procs_fd;
    bool is_removed;
    CgroupLimits limits; /* in force, as far as they were set here */
    char path[];         /* the last part is the name */
};
const char *cgroup_name(const Cgroup *cgroup);
/* A call has failed with errno_value. True: for want of a descriptor, and now there is one; it can
 * be made again, and cgroup_tree_take_spare is called then. */
bool cgroup_tree_give_spare(CgroupTree *tree, int errno_value);
/* Unless there is one. Leaves errno alone. */
void cgroup_tree_take_spare(CgroupTree *tree);

/* A directory of a hierarchy, a service's or what is left of one. Borrows. */
typedef struct CgroupPlace {
    const Sys *sys;
    int parent_fd;
    const char *name;
    const char *path;
} CgroupPlace;
CgroupPlace cgroup_place(const Cgroup *cgroup);

/* Files. None follows a link in the last part of the path; all set errno. */

int cgroup_file_open(const Sys *sys, int directory_fd, const char *path, int flags);
/* At most max_bytes of it, NUL-terminated; NULL and errno. */
char *cgroup_file_read(const Sys *sys, int directory_fd, const char *path, size_t max_bytes);
/* Reads on only until all of the line that begins with prefix is there, if there is one. */
char *cgroup_file_read_to(const Sys *sys, int directory_fd, const char *path, const char *prefix,
                          size_t max_bytes);
/* The number after key in lines "KEY NUMBER", read from where fd stands. */
bool cgroup_fd_stat(const Sys *sys, int fd, const char *key, uint64_t *ret_value);
/* Never waits for memory to be reclaimed, where the kernel can do without. */
bool cgroup_file_write(const Sys *sys, int directory_fd, const char *path, const char *text);
/* The same of a file of a place. */
int cgroup_place_open(const CgroupPlace *place, const char *file); /* for reading */
char *cgroup_place_read(const CgroupPlace *place, const char *file);
bool cgroup_place_write(const CgroupPlace *place, const char *file, const char *text);
/* The number in a file that holds nothing else. */
bool cgroup_place_number(const CgroupPlace *place, const char *file, uint64_t *ret_value);
/* The number after key in a file of lines "KEY NUMBER". */
bool cgroup_place_stat(const CgroupPlace *place, const char *file, const char *key,
                       uint64_t *ret_value);

/* The texts. */

bool cgroup_stat_parse(const char *text, const char *key, uint64_t *ret_value);
/* The path in /proc/PID/cgroup, "0::PATH", or NULL. */
char *cgroup_path_parse(const char *text);
typedef struct CgroupMount {
    char *root;  /* which cgroup it shows, as seen from our cgroup namespace */
    char *point; /* where */
    bool is_read_only;
} CgroupMount;
/* A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)); false: no cgroup2, or no such line. */
bool cgroup_mount_parse(const char *line, CgroupMount *ret_mount);
void cgroup_mount_clear(CgroupMount *mount);
/* The directory where mount shows the cgroup path; NULL: it does not. */
char *cgroup_mount_directory(const CgroupMount *mount, const char *path);
/* The cgroup that mount shows at directory; NULL: it is not below the mount. */
char *cgroup_mount_path(const CgroupMount *mount, const char *directory);
/* The name of the directory for an id: no two ids have the same. */
char *cgroup_name_from_id(const char *id);

/* Walks. */

/* False: enough. */
typedef bool (*CgroupIdFunc)(pid_t id, void *data);
/* The numbers in file (cgroup.procs, cgroup.threads), of the place and all below it; what has gone
 * meanwhile is nothing. False and errno: not all could be read, E2BIG: there are more than that. A
 * walk takes a descriptor and some kilobytes of the stack for each directory that it is in, and one
 * more. */
#define CGROUP_IDS_MAX 65536
#define CGROUP_DEPTH_MAX 63         /* below the place */
#define CGROUP_DIRECTORIES_MAX 4096 /* likewise */
#define CGROUP_TREE_DEPTH_MAX 64    /* of the tree, in which the places are */
bool cgroup_place_walk(const CgroupPlace *place, const char *file, CgroupIdFunc func, void *data);
/* False: enough. */
typedef bool (*CgroupChildFunc)(int directory_fd, const char *name, void *data);
/* The directories in a directory. False and errno. */
bool cgroup_each_child(const Sys *sys, int directory_fd, CgroupChildFunc func, void *data);
/* Removes the directory and all below it, if no process is in them: so many in one call that the
 * next one gets on. False and errno: EBUSY. */
bool cgroup_place_remove(const CgroupPlace *place);
/* If it is bare: nothing is below it either. False and errno. */
bool cgroup_place_remove_bare(const CgroupPlace *place);

bool cgroup_place_has(const CgroupPlace *place, pid_t pid);
/* A process that lives, not_pid excepted; 0: none, or (errno) nobody knows. */
pid_t cgroup_place_find(const CgroupPlace *place, pid_t not_pid);
bool cgroup_place_kill(const CgroupPlace *place);

/* Where the tree is to be. Descriptor of the base directory, and its path as /proc/PID/cgroup has
 * it; -1 with an error. */
int cgroup_base_open(const CgroupTreeOptions *options, char **ret_path, GError **error);
void cgroup_tree_enable(CgroupTree *tree, const char *base_path);
void cgroup_tree_disable(CgroupTree *tree);
