/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether a descriptor that a program has given us stays within this host. A file that is served by
 * somebody (FUSE, NFS, 9p) waits for its server at every close(2), also where a child that has
 * inherited it starts its program: such a one must not stay with the daemon. */

#include "process/sys.h"

#include <glib.h>
#include <stdbool.h>

/* A socket, pipe, memory, event counter, message queue, namespace and the like: of no file. */
bool fd_origin_is_anonymous(int fd);
/* The number of the mount that fd was opened on; nobody else gets it as long as fd is open. Of this
 * process, by /proc (proc(5), fdinfo). False: it cannot be read. */
bool fd_origin_find_mount(const Sys *sys, int fd, int *ret_mount_id);
/* Whether what is mounted there is kept by this host alone, as far as its type tells; of overlays
 * what is beneath is not looked at. Error: ERROR_NOT_SUPPORTED, which names the type. A mount of
 * another namespace, or one that was unmounted since, is not known and refused. */
bool fd_origin_check_mount(const Sys *sys, int mount_id, GError **error);
/* fd is of no device, or of one whose driver keeps nobody waiting: terminals, input, graphics and
 * the like, but no disks. To be asked only when the mount is local. Errors as above. */
bool fd_origin_check_device(int fd, GError **error);

/* The parts that tests ask as well. */

bool fd_origin_parse_fdinfo(const char *text, int *ret_mount_id);
#define FD_ORIGIN_TYPE_BYTES 32
/* The type of a mount in the text of /proc/self/mountinfo, cut to what is printable and fits. */
bool fd_origin_parse_mountinfo(const char *text, int mount_id, char ret_type[FD_ORIGIN_TYPE_BYTES]);
bool fd_origin_type_is_local(const char *type);
bool fd_origin_device_is_harmless(unsigned major); /* of a character device */
