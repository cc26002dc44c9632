/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The files of a cgroup are short and made anew at each reading; only the lists of processes can be
 * long, and are read in pieces. What a program makes of its own cgroup is up to it, so the walks go
 * down only so far and look at only so much. */

#include "process/cgroup-internal.h"

#include "base/fds.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CGROUP_LIST_BYTES 2048

int cgroup_file_open(const Sys *sys, int directory_fd, const char *path, int flags)
{
    int fd;

    do
        fd = sys->openat(directory_fd, path, flags | O_CLOEXEC | O_NOFOLLOW);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* Whether text has all of the line that begins with prefix. */
static bool cgroup_text_has_line(const char *text, const char *prefix)
{
    for (const char *line = text, *end; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        if (g_str_has_prefix(line, prefix))
            return true;
    }
    return false;
}

static char *cgroup_fd_read(const Sys *sys, int fd, const char *prefix, size_t max_bytes)
{
    g_autoptr(GString) text = g_string_new(NULL);
    ssize_t n = 0;

    do {
        char piece[CGROUP_LIST_BYTES];

        n = sys_read(sys, fd, piece, MIN(sizeof piece, max_bytes - text->len));
        if (n > 0)
            g_string_append_len(text, piece, n);
    } while (n > 0 && text->len < max_bytes &&
             (prefix == NULL || !cgroup_text_has_line(text->str, prefix)));
    return n < 0 ? NULL : g_string_free(g_steal_pointer(&text), FALSE);
}

char *cgroup_file_read(const Sys *sys, int directory_fd, const char *path, size_t max_bytes)
{
    autofd int fd = cgroup_file_open(sys, directory_fd, path, O_RDONLY);

    return fd < 0 ? NULL : cgroup_fd_read(sys, fd, NULL, max_bytes);
}

char *cgroup_file_read_to(const Sys *sys, int directory_fd, const char *path, const char *prefix,
                          size_t max_bytes)
{
    autofd int fd = cgroup_file_open(sys, directory_fd, path, O_RDONLY);

    return fd < 0 ? NULL : cgroup_fd_read(sys, fd, prefix, max_bytes);
}

bool cgroup_fd_stat(const Sys *sys, int fd, const char *key, uint64_t *ret_value)
{
    g_autofree char *prefix = g_strconcat(key, " ", NULL);
    g_autofree char *text = cgroup_fd_read(sys, fd, prefix, CGROUP_TEXT_BYTES);

    if (text == NULL)
        return false;
    errno = EBADMSG;
    return cgroup_stat_parse(text, key, ret_value);
}

/* A memory.max that is opened with O_NONBLOCK leaves it to those in the cgroup to reclaim what is
 * above the limit, when they ask for more (the kernel's cgroup-v2.rst). Older kernels take the flag
 * and reclaim within our write all the same: then the loop stands still meanwhile, until the
 * cgroup is below its limit or one of it is killed. */
bool cgroup_file_write(const Sys *sys, int directory_fd, const char *path, const char *text)
{
    autofd int fd = cgroup_file_open(sys, directory_fd, path, O_WRONLY | O_NONBLOCK);
    size_t length = strlen(text);
    ssize_t n;

    if (fd < 0)
        return false;
    do
        n = sys->write(fd, text, length);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (size_t)n < length)
        errno = EIO;
    return n >= 0 && (size_t)n == length;
}

static void cgroup_place_file(const CgroupPlace *place, const char *file,
                              char ret_path[CGROUP_FILE_BYTES])
{
    (void)g_snprintf(ret_path, CGROUP_FILE_BYTES, "%s/%s", place->name, file);
}

int cgroup_place_open(const CgroupPlace *place, const char *file)
{
    char path[CGROUP_FILE_BYTES];

    cgroup_place_file(place, file, path);
    return cgroup_file_open(place->sys, place->parent_fd, path, O_RDONLY);
}

char *cgroup_place_read(const CgroupPlace *place, const char *file)
{
    char path[CGROUP_FILE_BYTES];

    cgroup_place_file(place, file, path);
    return cgroup_file_read(place->sys, place->parent_fd, path, CGROUP_TEXT_BYTES);
}

bool cgroup_place_write(const CgroupPlace *place, const char *file, const char *text)
{
    char path[CGROUP_FILE_BYTES];

    cgroup_place_file(place, file, path);
    return cgroup_file_write(place->sys, place->parent_fd, path, text);
}

bool cgroup_place_number(const CgroupPlace *place, const char *file, uint64_t *ret_value)
{
    g_autofree char *text = cgroup_place_read(place, file);

    return text != NULL &&
           g_ascii_string_to_unsigned(g_strchomp(text), 10, 0, UINT64_MAX, ret_value, NULL);
}

bool cgroup_place_stat(const CgroupPlace *place, const char *file, const char *key,
                       uint64_t *ret_value)
{
    autofd int fd = cgroup_place_open(place, file);

    return fd >= 0 && cgroup_fd_stat(place->sys, fd, key, ret_value);
}

/* Walks over directories */

/* Those of one piece; false: enough. */
static bool cgroup_children_tell(int directory_fd, const char *bytes, ssize_t n,
                                 CgroupChildFunc func, void *data)
{
    for (ssize_t at = 0; at < n;) {
        const struct dirent64 *entry = (const void *)(bytes + at);

        at += entry->d_reclen;
        if (entry->d_type == DT_DIR && !g_str_equal(entry->d_name, ".") &&
            !g_str_equal(entry->d_name, "..") && !func(directory_fd, entry->d_name, data))
            return false;
    }
    return true;
}

bool cgroup_each_child(const Sys *sys, int directory_fd, CgroupChildFunc func, void *data)
{
    union {
        struct dirent64 alignment;
        char bytes[CGROUP_LIST_BYTES];
    } buffer;
    ssize_t n;

    do
        n = sys->getdents64(directory_fd, buffer.bytes, sizeof buffer.bytes);
    while (n > 0 && cgroup_children_tell(directory_fd, buffer.bytes, n, func, data));
    return n >= 0;
}

/* What was there and is not any more. */
static bool cgroup_is_gone(int errno_value)
{
    return errno_value == ENOENT || errno_value == ENODEV;
}

typedef struct CgroupWalk {
    const Sys *sys;
    const char *file;
    CgroupIdFunc func;
    void *data;
    unsigned depth;
    unsigned n_directories;
    unsigned n_ids;
    bool is_over; /* func has enough, or a limit is reached */
    int errno_value;
} CgroupWalk;

/* What is behind it is not known. */
static void cgroup_walk_cut(CgroupWalk *walk)
{
    walk->errno_value = E2BIG;
    walk->is_over = true;
}

static void cgroup_walk_tell(CgroupWalk *walk, pid_t id)
{
    if (++walk->n_ids > CGROUP_IDS_MAX)
        cgroup_walk_cut(walk);
    /* 0: a process that our pid namespace does not show. */
    else if (id > 0)
        walk->is_over = !walk->func(id, walk->data);
}

/* A number can stand on both sides of a border between pieces. */
static ssize_t cgroup_walk_read(CgroupWalk *walk, int fd)
{
    char piece[CGROUP_LIST_BYTES];
    pid_t id = 0;
    ssize_t n;

    while (!walk->is_over && (n = sys_read(walk->sys, fd, piece, sizeof piece)) != 0) {
        if (n < 0)
            return -1;
        for (ssize_t i = 0; i < n && !walk->is_over; i++) {
            if (g_ascii_isdigit(piece[i]) && id <= (INT_MAX - 9) / 10) {
                id = id * 10 + (piece[i] - '0');
            } else {
                cgroup_walk_tell(walk, id);
                id = 0;
            }
        }
    }
    return 0;
}

/* The processes of a threaded cgroup are told by the one above it. */
static void cgroup_walk_fail(CgroupWalk *walk)
{
    if (cgroup_is_gone(errno) || errno == EOPNOTSUPP)
        return;
    walk->errno_value = errno;
    walk->is_over = true;
}

static void cgroup_walk_directory(CgroupWalk *walk, int parent_fd, const char *name);

static bool on_cgroup_walk_child(int directory_fd, const char *name, void *data)
{
    CgroupWalk *walk = data;

    cgroup_walk_directory(walk, directory_fd, name);
    return !walk->is_over;
}

static void cgroup_walk_list(CgroupWalk *walk, int parent_fd, const char *name)
{
    CgroupPlace place = {.sys = walk->sys, .parent_fd = parent_fd, .name = name};
    autofd int fd = cgroup_place_open(&place, walk->file);

    if (fd < 0 || cgroup_walk_read(walk, fd) < 0)
        cgroup_walk_fail(walk);
}

/* To list a directory is much work for the kernel. It counts the links of one, its own two and one
 * from each directory in it. False only if that is known. */
static bool cgroup_walk_may_go_down(const CgroupWalk *walk, int parent_fd, const char *name)
{
    struct stat status;

    if (walk->sys->fstatat(parent_fd, name, &status, AT_SYMLINK_NOFOLLOW) < 0)
        return !cgroup_is_gone(errno);
    return status.st_nlink != 2;
}

static void cgroup_walk_directory(CgroupWalk *walk, int parent_fd, const char *name)
{
    if (walk->depth > CGROUP_DEPTH_MAX || walk->n_directories++ > CGROUP_DIRECTORIES_MAX) {
        cgroup_walk_cut(walk);
        return;
    }
    cgroup_walk_list(walk, parent_fd, name);
    if (walk->is_over || !cgroup_walk_may_go_down(walk, parent_fd, name))
        return;

    autofd int fd = cgroup_file_open(walk->sys, parent_fd, name, O_RDONLY | O_DIRECTORY);
    walk->depth++;
    if (fd < 0 || !cgroup_each_child(walk->sys, fd, on_cgroup_walk_child, walk))
        cgroup_walk_fail(walk);
    walk->depth--;
}

bool cgroup_place_walk(const CgroupPlace *place, const char *file, CgroupIdFunc func, void *data)
{
    CgroupWalk walk = {.sys = place->sys, .file = file, .func = func, .data = data};

    cgroup_walk_directory(&walk, place->parent_fd, place->name);
    if (walk.errno_value != 0)
        errno = walk.errno_value;
    return walk.errno_value == 0;
}
