/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A disk in memory, for SQLite (a VFS): it fails when told to, and it remembers what was written
 * and synced, so that a test can ask what would be on it had the power failed at some moment. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum DiskOperation {
    DISK_OPEN = 1 << 0,
    DISK_READ = 1 << 1,
    DISK_WRITE = 1 << 2,
    DISK_SYNC = 1 << 3,
    DISK_TRUNCATE = 1 << 4, /* a delete, too */
} DiskOperation;

/* What was done, in order. */
typedef struct DiskStep {
    DiskOperation operation; /* write, sync or truncate */
    char *name;              /* of the file, without its folder */
    uint64_t offset;         /* of a truncate: the new length */
    GBytes *bytes;           /* of a write */
} DiskStep;

typedef struct Disk Disk;

/* Registers a VFS; an empty disk. */
Disk *disk_new(void);
/* Nothing may be open on it. Accepts NULL. */
void disk_free(Disk *disk);
/* Name of the VFS. */
const char *disk_vfs(const Disk *disk);

/* From the nth call (1: the next) of one of operations (a mask) on, they fail as if the kernel had
 * said errno_value; once: only that one call. A write that fails has written its first half. */
void disk_fail(Disk *disk, unsigned operations, unsigned nth, int errno_value, bool once);
void disk_heal(Disk *disk);
/* Whether a call has failed since disk_fail. */
bool disk_has_failed(const Disk *disk);

/* Of DiskStep, of all files, from the beginning; the disk's. */
const GPtrArray *disk_steps(const Disk *disk);

/* Puts a file on it, or replaces it. */
void disk_put(Disk *disk, const char *name, const GByteArray *bytes);
/* Files as they are, on another disk: what a crash of the daemon leaves. */
void disk_copy(const Disk *from, Disk *to);
/* Applies a step to bytes, as the disk has done; only those sectors of 512 bytes of a write whose
 * bit is set in sectors (the 64th stands for all that follow). */
void disk_step_apply(const DiskStep *step, GByteArray *bytes, uint64_t sectors);
