/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An array in the order of coming, which is the order in which the next run gets them, and one in
 * the order that the kernel has for open files, so that few are compared with one that comes. A
 * watch that
 * waits for nothing hears of hang-ups and errors all the same, and of nothing else. */

#include "process/fd-store.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/descriptors.h"
#include "process/fd-origin.h"
#include "process/host-internal.h"

#include <errno.h>
#include <string.h>

#define FD_STORE_NAME_DEFAULT "stored"
#define FD_STORE_AFTER 2 /* of kcmp(2): the first comes after the second */

struct FdStore {
    ProcessHost *host;
    GPtrArray *entries; /* of FdStoreEntry, owned */
    GPtrArray *sorted;  /* the same, borrowed */
};

typedef struct FdStoreEntry {
    FdStore *store;
    int fd;
    char *name;
    int mount_id; /* that it holds; -1: it is of no file */
    Watch *watch; /* NULL: it is not to be watched, or cannot be */
} FdStoreEntry;

static void fd_store_entry_free(void *data)
{
    FdStoreEntry *entry = data;

    watch_free(entry->watch);
    (void)g_ptr_array_remove(entry->store->sorted, entry); /* it is there */
    entry->fd = descriptors_close_given(entry->store->host, entry->fd);
    g_free(entry->name);
    g_free(entry);
}

FdStore *fd_store_new(ProcessHost *host)
{
    FdStore *store = g_new(FdStore, 1);

    *store = (FdStore){
            .host = host,
            .entries = g_ptr_array_new_with_free_func(fd_store_entry_free),
            .sorted = g_ptr_array_new(),
    };
    return store;
}

void fd_store_free(FdStore *store)
{
    if (store == NULL)
        return;
    g_ptr_array_unref(store->entries);
    g_ptr_array_unref(store->sorted);
    g_free(store);
}

bool fd_store_name_is_valid(const char *name)
{
    size_t length = strlen(name);

    if (length == 0 || length >= FD_STORE_NAME_BYTES)
        return false;
    for (size_t i = 0; i < length; i++) {
        if (!g_ascii_isprint(name[i]) || name[i] == ':')
            return false;
    }
    return true;
}

static const char *fd_store_real_name(const char *name)
{
    return name[0] == '\0' ? FD_STORE_NAME_DEFAULT : name;
}

static FdStoreEntry *fd_store_entry(const FdStore *store, size_t index)
{
    return g_ptr_array_index(store->entries, index);
}

/* False: it is not there, and *ret_place is where it comes. Where the kernel does not tell (kcmp(2)
 * may be missing or forbidden), none is the same. */
static bool fd_store_find(const FdStore *store, int fd, size_t *ret_place)
{
    size_t low = 0, high = store->sorted->len;

    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const FdStoreEntry *entry = g_ptr_array_index(store->sorted, middle);
        int order = store->host->sys->same_file(entry->fd, fd);

        if (order == 0)
            return true;
        if (order == FD_STORE_AFTER)
            high = middle;
        else
            low = middle + 1;
    }
    *ret_place = low;
    return false;
}

static void on_fd_store_hangup(uint32_t events, void *data)
{
    FdStoreEntry *entry = data;

    g_ptr_array_remove(entry->store->entries, entry);
}

/* Whether there is to be one more. */
static bool fd_store_check_room(const FdStore *store, size_t max, GError **error)
{
    if (store->entries->len >= max)
        return error_set(error, ERROR_LIMIT_EXCEEDED, "as many as fd_store_max are kept");
    if (!descriptors_are_spare(store->host))
        return error_set(error, ERROR_LIMIT_EXCEEDED, "the daemon has too many open files");
    return true;
}

/* What is held cannot be unmounted, or be another one by now. */
static bool fd_store_holds_mount(const FdStore *store, int mount_id)
{
    for (size_t i = 0; i < store->entries->len; i++) {
        if (fd_store_entry(store, i)->mount_id == mount_id)
            return true;
    }
    return false;
}

/* *ret_mount_id: as in an entry. */
static bool fd_store_check_origin(const FdStore *store, int fd, int *ret_mount_id, GError **error)
{
    const Sys *sys = store->host->sys;
    int mount_id = -1;

    if (!fd_origin_is_anonymous(fd)) {
        if (!fd_origin_find_mount(sys, fd, &mount_id))
            return error_set(error, ERROR_NOT_SUPPORTED,
                             "it cannot be seen of what file system it is");
        if (!fd_store_holds_mount(store, mount_id) && !fd_origin_check_mount(sys, mount_id, error))
            return false;
        if (!fd_origin_check_device(fd, error))
            return false;
    }
    *ret_mount_id = mount_id;
    return true;
}

/* Takes the descriptor and the name of values. place: in the order of the kernel. */
static void fd_store_append(FdStore *store, const FdStoreEntry *values, bool watched, size_t place)
{
    FdStoreEntry *entry = g_memdup2(values, sizeof *values);

    if (watched && descriptors_can_be_polled(entry->fd)) /* others may wait when they are asked */
        entry->watch = watch_new(store->host->watches, entry->fd, 0, WATCH_PRIORITY_NORMAL,
                                 on_fd_store_hangup, entry);
    g_ptr_array_add(store->entries, entry);
    g_ptr_array_insert(store->sorted, (int)place, entry);
}

bool fd_store_add(FdStore *store, int *fd, const char *name, bool watched, size_t max,
                  GError **error)
{
    FdStoreEntry entry = {.store = store, .fd = fd_steal(fd), .mount_id = -1};
    size_t place = 0;
    bool is_there = fd_store_find(store, entry.fd, &place);

    if (is_there || !fd_store_check_room(store, max, error) ||
        !fd_store_check_origin(store, entry.fd, &entry.mount_id, error)) {
        (void)descriptors_close_given(store->host, entry.fd); /* a file waits at every close */
        return is_there;
    }
    entry.name = g_strdup(fd_store_real_name(name));
    fd_store_append(store, &entry, watched, place);
    return true;
}

size_t fd_store_trim(FdStore *store, size_t max)
{
    size_t n = store->entries->len;

    if (n <= max)
        return 0;
    g_ptr_array_set_size(store->entries, (int)max);
    return n - max;
}

size_t fd_store_remove(FdStore *store, const char *name)
{
    size_t n_before = store->entries->len;

    for (size_t i = n_before; i > 0; i--) {
        if (g_str_equal(fd_store_entry(store, i - 1)->name, fd_store_real_name(name)))
            g_ptr_array_remove_index(store->entries, (unsigned)(i - 1));
    }
    return n_before - store->entries->len;
}

size_t fd_store_count(const FdStore *store)
{
    return store->entries->len;
}

int fd_store_get(const FdStore *store, size_t index)
{
    return fd_store_entry(store, index)->fd;
}

char *fd_store_names(const FdStore *store)
{
    GString *names = g_string_new(NULL);

    for (size_t i = 0; i < store->entries->len; i++)
        g_string_append_printf(names, "%s%s", i > 0 ? ":" : "", fd_store_entry(store, i)->name);
    return g_string_free(names, FALSE);
}
