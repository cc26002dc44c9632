/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files are arrays of bytes. There is one connection at a time, so locks are always had. What a
 * failing call answers is what SQLite's own VFS for unix answers. */

#include "disk.h"

#include <errno.h>
#include <sqlite3.h>
#include <string.h>

#define DISK_SECTOR_BYTES 512

typedef struct DiskFile {
    char *name;
    GByteArray *bytes;
    bool exists;
} DiskFile;

struct Disk {
    sqlite3_vfs vfs;
    char *vfs_name;
    GHashTable *files; /* name -> DiskFile; a file that was deleted stays, empty */
    GPtrArray *steps;
    unsigned failing; /* mask */
    unsigned left;    /* calls until it fails */
    int errno_value;
    bool once;
    bool has_failed;
    uint64_t random;
};

typedef struct DiskHandle {
    sqlite3_file base;
    Disk *disk;
    DiskFile *file;
} DiskHandle;

static void disk_file_free(DiskFile *file)
{
    g_free(file->name);
    g_byte_array_unref(file->bytes);
    g_free(file);
}

static void disk_step_free(DiskStep *step)
{
    g_free(step->name);
    g_clear_pointer(&step->bytes, g_bytes_unref);
    g_free(step);
}

static bool disk_fails(Disk *disk, DiskOperation operation)
{
    if ((disk->failing & operation) == 0)
        return false;
    if (disk->left > 1) {
        disk->left--;
        return false;
    }
    if (disk->once)
        disk->failing = 0;
    disk->has_failed = true;
    errno = disk->errno_value;
    return true;
}

static DiskFile *disk_file(Disk *disk, const char *path)
{
    g_autofree char *name = g_path_get_basename(path);
    DiskFile *file = g_hash_table_lookup(disk->files, name);

    if (file == NULL) {
        file = g_new0(DiskFile, 1);
        file->name = g_steal_pointer(&name);
        file->bytes = g_byte_array_new();
        g_hash_table_insert(disk->files, file->name, file);
    }
    return file;
}

static void disk_note(Disk *disk, DiskOperation operation, const DiskFile *file, uint64_t offset,
                      GBytes *bytes)
{
    DiskStep *step = g_new(DiskStep, 1);

    *step = (DiskStep){
            .operation = operation, .name = g_strdup(file->name), .offset = offset, .bytes = bytes};
    g_ptr_array_add(disk->steps, step);
    if (operation != DISK_SYNC)
        disk_step_apply(step, file->bytes, UINT64_MAX);
}

static void disk_resize(GByteArray *bytes, size_t length)
{
    size_t before = bytes->len;

    g_byte_array_set_size(bytes, (unsigned)length);
    if (length > before)
        memset(bytes->data + before, 0, length - before);
}

void disk_step_apply(const DiskStep *step, GByteArray *bytes, uint64_t sectors)
{
    if (step->operation == DISK_TRUNCATE) {
        disk_resize(bytes, (size_t)step->offset);
        return;
    }

    size_t length;
    const uint8_t *data = g_bytes_get_data(step->bytes, &length);
    for (size_t done = 0; done < length;) {
        size_t at = (size_t)step->offset + done;
        size_t part = MIN(DISK_SECTOR_BYTES - at % DISK_SECTOR_BYTES, length - done);

        if ((sectors >> MIN(done / DISK_SECTOR_BYTES, 63) & 1) != 0) {
            if (bytes->len < at + part)
                disk_resize(bytes, at + part);
            memcpy(bytes->data + at, data + done, part);
        }
        done += part;
    }
}

/* A file */

static int on_disk_close(sqlite3_file *base)
{
    return SQLITE_OK;
}

static int on_disk_read(sqlite3_file *base, void *buffer, int length, sqlite3_int64 offset)
{
    DiskHandle *handle = (DiskHandle *)base;
    const GByteArray *bytes = handle->file->bytes;
    size_t there = bytes->len > (uint64_t)offset ? bytes->len - (size_t)offset : 0;
    size_t n = MIN(there, (size_t)length);

    if (disk_fails(handle->disk, DISK_READ))
        return SQLITE_IOERR_READ;
    if (n > 0)
        memcpy(buffer, bytes->data + offset, n);
    memset((char *)buffer + n, 0, (size_t)length - n);
    return n < (size_t)length ? SQLITE_IOERR_SHORT_READ : SQLITE_OK;
}

static int on_disk_write(sqlite3_file *base, const void *data, int length, sqlite3_int64 offset)
{
    DiskHandle *handle = (DiskHandle *)base;
    bool fails = disk_fails(handle->disk, DISK_WRITE);
    size_t written = fails ? (size_t)length / 2 : (size_t)length;

    disk_note(handle->disk, DISK_WRITE, handle->file, (uint64_t)offset, g_bytes_new(data, written));
    if (!fails)
        return SQLITE_OK;
    return handle->disk->errno_value == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
}

static int on_disk_truncate(sqlite3_file *base, sqlite3_int64 length)
{
    DiskHandle *handle = (DiskHandle *)base;

    if (disk_fails(handle->disk, DISK_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    disk_note(handle->disk, DISK_TRUNCATE, handle->file, (uint64_t)length, NULL);
    return SQLITE_OK;
}

static int on_disk_sync(sqlite3_file *base, int flags)
{
    DiskHandle *handle = (DiskHandle *)base;

    if (disk_fails(handle->disk, DISK_SYNC))
        return SQLITE_IOERR_FSYNC;
    disk_note(handle->disk, DISK_SYNC, handle->file, 0, NULL);
    return SQLITE_OK;
}

static int on_disk_size(sqlite3_file *base, sqlite3_int64 *ret_size)
{
    *ret_size = ((DiskHandle *)base)->file->bytes->len;
    return SQLITE_OK;
}

static int on_disk_lock(sqlite3_file *base, int level)
{
    return SQLITE_OK;
}

static int on_disk_check_lock(sqlite3_file *base, int *ret_reserved)
{
    *ret_reserved = 0;
    return SQLITE_OK;
}

static int on_disk_control(sqlite3_file *base, int operation, void *argument)
{
    return SQLITE_NOTFOUND;
}

static int on_disk_sector_size(sqlite3_file *base)
{
    return 4096;
}

/* As the VFS for unix: what is beside the bytes that are written is never harmed. */
static int on_disk_characteristics(sqlite3_file *base)
{
    return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods disk_methods = {
        .iVersion = 1,
        .xClose = on_disk_close,
        .xRead = on_disk_read,
        .xWrite = on_disk_write,
        .xTruncate = on_disk_truncate,
        .xSync = on_disk_sync,
        .xFileSize = on_disk_size,
        .xLock = on_disk_lock,
        .xUnlock = on_disk_lock,
        .xCheckReservedLock = on_disk_check_lock,
        .xFileControl = on_disk_control,
        .xSectorSize = on_disk_sector_size,
        .xDeviceCharacteristics = on_disk_characteristics,
};

/* The folder */

static int on_disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                        int *ret_flags)
{
    DiskHandle *handle = (DiskHandle *)base;
    Disk *disk = vfs->pAppData;

    *handle = (DiskHandle){0};
    if (disk_fails(disk, DISK_OPEN))
        return SQLITE_CANTOPEN;
    g_assert_nonnull(path); /* no temporary files */
    *handle = (DiskHandle){.base.pMethods = &disk_methods, .disk = disk};
    handle->file = disk_file(disk, path);
    handle->file->exists = true;
    if (ret_flags != NULL)
        *ret_flags = flags;
    return SQLITE_OK;
}

static int on_disk_delete(sqlite3_vfs *vfs, const char *path, int sync_folder)
{
    Disk *disk = vfs->pAppData;
    DiskFile *file = disk_file(disk, path);

    if (disk_fails(disk, DISK_TRUNCATE))
        return SQLITE_IOERR_DELETE;
    file->exists = false;
    disk_note(disk, DISK_TRUNCATE, file, 0, NULL);
    if (sync_folder != 0)
        disk_note(disk, DISK_SYNC, file, 0, NULL);
    return SQLITE_OK;
}

static int on_disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *ret_result)
{
    *ret_result = disk_file(vfs->pAppData, path)->exists;
    return SQLITE_OK;
}

static int on_disk_full_path(sqlite3_vfs *vfs, const char *path, int length, char *ret_path)
{
    g_assert_cmpuint(g_strlcpy(ret_path, path, (size_t)length), <, (size_t)length);
    return SQLITE_OK;
}

/* Repeatable: splitmix64. */
static int on_disk_randomness(sqlite3_vfs *vfs, int length, char *ret_bytes)
{
    Disk *disk = vfs->pAppData;

    for (int i = 0; i < length; i++) {
        uint64_t z = disk->random += UINT64_C(0x9e3779b97f4a7c15);

        z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
        ret_bytes[i] = (char)(z >> 56);
    }
    return length;
}

static int on_disk_time(sqlite3_vfs *vfs, sqlite3_int64 *ret_msec)
{
    *ret_msec = INT64_C(212788598400000); /* some day in 2030, of the Julian calendar */
    return SQLITE_OK;
}

static int on_disk_last_error(sqlite3_vfs *vfs, int length, char *ret_message)
{
    return ((Disk *)vfs->pAppData)->errno_value;
}

Disk *disk_new(void)
{
    static unsigned n_disks;
    Disk *disk = g_new0(Disk, 1);

    disk->vfs_name = g_strdup_printf("test-disk-%u", n_disks++);
    disk->files =
            g_hash_table_new_full(g_str_hash, g_str_equal, NULL, (GDestroyNotify)disk_file_free);
    disk->steps = g_ptr_array_new_with_free_func((GDestroyNotify)disk_step_free);
    disk->vfs = (sqlite3_vfs){
            .iVersion = 2,
            .szOsFile = sizeof(DiskHandle),
            .mxPathname = 4096,
            .zName = disk->vfs_name,
            .pAppData = disk,
            .xOpen = on_disk_open,
            .xDelete = on_disk_delete,
            .xAccess = on_disk_access,
            .xFullPathname = on_disk_full_path,
            .xRandomness = on_disk_randomness,
            .xCurrentTimeInt64 = on_disk_time,
            .xGetLastError = on_disk_last_error,
    };
    g_assert_cmpint(sqlite3_vfs_register(&disk->vfs, 0), ==, SQLITE_OK);
    return disk;
}

void disk_free(Disk *disk)
{
    if (disk == NULL)
        return;
    g_assert_cmpint(sqlite3_vfs_unregister(&disk->vfs), ==, SQLITE_OK);
    g_hash_table_unref(disk->files);
    g_ptr_array_unref(disk->steps);
    g_free(disk->vfs_name);
    g_free(disk);
}

const char *disk_vfs(const Disk *disk)
{
    return disk->vfs_name;
}

void disk_fail(Disk *disk, unsigned operations, unsigned nth, int errno_value, bool once)
{
    disk->failing = operations;
    disk->left = nth;
    disk->errno_value = errno_value;
    disk->once = once;
    disk->has_failed = false;
}

void disk_heal(Disk *disk)
{
    disk->failing = 0;
}

bool disk_has_failed(const Disk *disk)
{
    return disk->has_failed;
}

const GPtrArray *disk_steps(const Disk *disk)
{
    return disk->steps;
}

void disk_put(Disk *disk, const char *name, const GByteArray *bytes)
{
    DiskFile *file = disk_file(disk, name);

    file->exists = true;
    g_byte_array_set_size(file->bytes, 0);
    g_byte_array_append(file->bytes, bytes->data, bytes->len);
}

void disk_copy(const Disk *from, Disk *to)
{
    GHashTableIter iter;
    void *value;

    g_hash_table_iter_init(&iter, from->files);
    while (g_hash_table_iter_next(&iter, NULL, &value)) {
        const DiskFile *file = value;

        if (file->exists)
            disk_put(to, file->name, file->bytes);
    }
}
