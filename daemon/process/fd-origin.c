/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* stat(2) and statfs(2) would ask the server, so the kernel's own lists are read: the number of the
 * mount stands in fdinfo, its type in mountinfo. What may be kept is listed, for new kinds of
 * served files are made all the time. */

#include "process/fd-origin.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/descriptors.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/major.h>
#include <mqueue.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define FD_ORIGIN_FDINFO_BYTES 1024 /* the number of the mount is among the first lines */
#define FD_ORIGIN_MOUNTINFO_BYTES (1024 * 1024)

static const char *const fd_origin_local_types[] = {
        /* memory, and the kernel itself */
        "tmpfs",
        "devtmpfs",
        "ramfs",
        "rootfs",
        "hugetlbfs",
        "devpts",
        "proc",
        "sysfs",
        "cgroup",
        "cgroup2",
        "mqueue",
        "nsfs",
        "bpf",
        "debugfs",
        "tracefs",
        "configfs",
        "securityfs",
        "efivarfs",
        /* disks */
        "ext2",
        "ext3",
        "ext4",
        "xfs",
        "btrfs",
        "bcachefs",
        "f2fs",
        "jfs",
        "nilfs2",
        "zfs",
        "ubifs",
        "jffs2",
        "vfat",
        "exfat",
        "ntfs3",
        "hfsplus",
        "iso9660",
        "udf",
        "squashfs",
        "erofs",
        "cramfs",
        "romfs",
        /* the root of most containers; whoever has put it upon something served has mounted it */
        "overlay",
};

/* Those with a number of their own: what is served by a program (CUSE) gets any that is free. None
 * of them waits when one of several descriptors is closed; a line that still sends waits at the
 * last, and can be killed. */
static const struct {
    unsigned first, last;
} fd_origin_harmless_majors[] = {
        {MEM_MAJOR, MEM_MAJOR},
        {TTY_MAJOR, TTYAUX_MAJOR},
        {MISC_MAJOR, MISC_MAJOR}, /* fuse, tun, kvm, uinput, watchdogs */
        {INPUT_MAJOR, INPUT_MAJOR},
        {FB_MAJOR, FB_MAJOR},
        {81, 81},   /* cameras */
        {116, 116}, /* sound */
        {UNIX98_PTY_SLAVE_MAJOR, UNIX98_PTY_SLAVE_MAJOR + UNIX98_PTY_MAJOR_COUNT - 1},
        {166, 166},
        {188, 188},
        {204, 204}, /* serial lines */
        {226, 226}, /* graphics */
};

/* "net:[4026531840]": the names of files begin with a slash, those out of reach with "(". */
static bool fd_origin_is_namespace(int fd)
{
    char path[64], target[64] = "", closing = '\0';

    (void)g_snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return readlink(path, target, sizeof target - 1) > 0 &&
           sscanf(target, "%*[a-z_]:[%*u%c", &closing) == 1 && closing == ']';
}

bool fd_origin_is_anonymous(int fd)
{
    struct mq_attr attributes;

    return descriptors_can_be_polled(fd) || mq_getattr(fd, &attributes) == 0 ||
           fd_origin_is_namespace(fd);
}

/* What there is of it, up to max_bytes; NULL and errno. */
static char *fd_origin_read(const Sys *sys, const char *path, size_t max_bytes)
{
    autofd int fd = sys_open(sys, path, O_RDONLY | O_CLOEXEC);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    char portion[4096];
    ssize_t n = 0;

    if (fd < 0)
        return NULL;
    while (bytes->len < max_bytes && (n = sys_read(sys, fd, portion, sizeof portion)) > 0)
        g_byte_array_append(bytes, (const uint8_t *)portion, (unsigned)n);
    if (n < 0)
        return NULL;
    g_byte_array_append(bytes, (const uint8_t *)"", 1);
    return (char *)g_byte_array_free(g_steal_pointer(&bytes), FALSE);
}

bool fd_origin_parse_fdinfo(const char *text, int *ret_mount_id)
{
    const char *line = text;
    int mount_id;

    while (line != NULL && sscanf(line, "mnt_id:%d", &mount_id) != 1) {
        line = strchr(line, '\n');
        line = line != NULL ? line + 1 : NULL;
    }
    if (line == NULL || mount_id < 0)
        return false;
    *ret_mount_id = mount_id;
    return true;
}

/* " - " ends what may be repeated: spaces of paths are escaped. */
static bool fd_origin_parse_mount(const char *line, size_t length,
                                  char ret_type[FD_ORIGIN_TYPE_BYTES])
{
    const char *hyphen = g_strstr_len(line, (gssize)length, " - ");
    size_t type_length;

    if (hyphen == NULL)
        return false;
    type_length = MIN(strcspn(hyphen + 3, " \n"), FD_ORIGIN_TYPE_BYTES - 1);
    for (size_t i = 0; i < type_length; i++)
        ret_type[i] = (char)(g_ascii_isgraph(hyphen[3 + i]) ? hyphen[3 + i] : '?');
    ret_type[type_length] = '\0';
    return true;
}

/* What was cut off at the end is no line. */
bool fd_origin_parse_mountinfo(const char *text, int mount_id, char ret_type[FD_ORIGIN_TYPE_BYTES])
{
    const char *line = text, *end;

    for (; (end = strchr(line, '\n')) != NULL; line = end + 1) {
        char *after;
        int64_t id = g_ascii_strtoll(line, &after, 10);

        if (after > line && *after == ' ' && id == mount_id)
            return fd_origin_parse_mount(line, (size_t)(end - line), ret_type);
    }
    return false;
}

bool fd_origin_type_is_local(const char *type)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fd_origin_local_types); i++) {
        if (g_str_equal(type, fd_origin_local_types[i]))
            return true;
    }
    return false;
}

bool fd_origin_device_is_harmless(unsigned major)
{
    for (size_t i = 0; i < G_N_ELEMENTS(fd_origin_harmless_majors); i++) {
        if (major >= fd_origin_harmless_majors[i].first &&
            major <= fd_origin_harmless_majors[i].last)
            return true;
    }
    return false;
}

bool fd_origin_find_mount(const Sys *sys, int fd, int *ret_mount_id)
{
    char path[64];

    (void)g_snprintf(path, sizeof path, "/proc/self/fdinfo/%d", fd);
    g_autofree char *text = fd_origin_read(sys, path, FD_ORIGIN_FDINFO_BYTES);
    return text != NULL && fd_origin_parse_fdinfo(text, ret_mount_id);
}

bool fd_origin_check_mount(const Sys *sys, int mount_id, GError **error)
{
    g_autofree char *text = fd_origin_read(sys, "/proc/self/mountinfo", FD_ORIGIN_MOUNTINFO_BYTES);
    char type[FD_ORIGIN_TYPE_BYTES];

    if (text == NULL || !fd_origin_parse_mountinfo(text, mount_id, type))
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "it is of a file system that is not known here");
    if (fd_origin_type_is_local(type))
        return true;
    return error_set(error, ERROR_NOT_SUPPORTED,
                     "it is of a file system of type %s, which may wait for somebody else", type);
}

bool fd_origin_check_device(int fd, GError **error)
{
    struct stat status;

    if (fstat(fd, &status) < 0)
        return error_set_errno(error, errno, "it cannot be looked at");
    if (S_ISBLK(status.st_mode) ||
        (S_ISCHR(status.st_mode) && !fd_origin_device_is_harmless(major(status.st_rdev))))
        return error_set(error, ERROR_NOT_SUPPORTED,
                         "it is of a device (%u:%u) that may wait for somebody else",
                         major(status.st_rdev), minor(status.st_rdev));
    return true;
}
