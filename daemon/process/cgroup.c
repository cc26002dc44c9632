/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The cgroup of a service. While it runs it costs a little memory and no descriptor: each question
 * opens the file that answers it. */

#include "process/cgroup-internal.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define CGROUP_NAMES_MAX 9 /* of one digit */

struct CgroupWatch {
    const Cgroup *cgroup;
    int fd; /* of cgroup.events; -1: it is gone */
    Watch *watch;
    void (*func)(void *data);
    void *data;
};

const char *cgroup_name(const Cgroup *cgroup)
{
    return strrchr(cgroup->path, '/') + 1;
}

const char *cgroup_path(const Cgroup *cgroup)
{
    return cgroup->path;
}

CgroupPlace cgroup_place(const Cgroup *cgroup)
{
    return (CgroupPlace){
            .sys = cgroup->tree->sys,
            .parent_fd = cgroup->tree->fd,
            .name = cgroup_name(cgroup),
            .path = cgroup->path,
    };
}

/* Making and removing */

static bool cgroup_explain(const CgroupPlace *place, int errno_value, GError **error)
{
    pid_t pid = errno_value == EBUSY ? cgroup_place_find(place, 0) : 0;

    if (pid == 0 && errno_value == EBUSY)
        return error_set(error, ERROR_BUSY, "cannot make the cgroup %s: it is in use", place->path);
    if (pid == 0)
        return error_set_errno(error, errno_value, "cannot make the cgroup %s", place->path);
    return error_set(error, ERROR_BUSY, "cannot make the cgroup %s: process %d is still in it",
                     place->path, (int)pid);
}

/* Its programs may divide it further, but not so far that we could not follow. How deep is said of
 * the whole tree (cgroup-tree.c); how many of each, so that none takes them from the others. Where
 * that cannot be had it is done without. */
static void cgroup_bound(const CgroupPlace *place)
{
    (void)cgroup_place_write(place, "cgroup.max.descendants", G_STRINGIFY(CGROUP_DIRECTORIES_MAX));
}

/* One that is there is made anew, so that the kernel counts from 0. False and errno. */
static bool cgroup_make(const CgroupPlace *place)
{
    if (place->sys->mkdirat(place->parent_fd, place->name, 0755) < 0 &&
        (errno != EEXIST || !cgroup_place_remove(place) ||
         place->sys->mkdirat(place->parent_fd, place->name, 0755) < 0))
        return false;
    cgroup_bound(place);
    return true;
}

static bool cgroup_is_in_the_way(const CgroupPlace *place, int errno_value)
{
    uint64_t populated;

    return errno_value == EBUSY &&
           cgroup_place_stat(place, "cgroup.events", "populated", &populated) && populated == 0;
}

/* One in which nobody is and which is still there must not keep a service from its start: it is
 * left to be pruned, and the new one has another name. */
static char *cgroup_make_somewhere(CgroupTree *tree, const char *service_id, GError **error)
{
    g_autofree char *first = cgroup_name_from_id(service_id);

    for (unsigned i = 0;; i++) {
        g_autofree char *name = i == 0 ? g_strdup(first) : g_strdup_printf("%s%%%u", first, i);
        g_autofree char *path = g_strconcat(tree->path, "/", name, NULL);
        CgroupPlace place = {tree->sys, tree->fd, name, path};

        if (cgroup_make(&place)) {
            (void)g_hash_table_remove(tree->left, name); /* it was not, mostly */
            return g_steal_pointer(&path);
        }
        int saved = errno;
        if (i == CGROUP_NAMES_MAX || !cgroup_is_in_the_way(&place, saved)) {
            (void)cgroup_explain(&place, saved, error);
            return NULL;
        }
        (void)g_hash_table_add(tree->left, g_steal_pointer(&name)); /* once is enough */
    }
}

static void cgroup_link(Cgroup *cgroup)
{
    CgroupTree *tree = cgroup->tree;

    cgroup->next = tree->first;
    if (tree->first != NULL)
        tree->first->previous = cgroup;
    tree->first = cgroup;
}

static void cgroup_unlink(Cgroup *cgroup)
{
    if (cgroup->previous != NULL)
        cgroup->previous->next = cgroup->next;
    else
        cgroup->tree->first = cgroup->next;
    if (cgroup->next != NULL)
        cgroup->next->previous = cgroup->previous;
}

Cgroup *cgroup_new(CgroupTree *tree, const char *service_id, GError **error)
{
    g_autofree char *path = cgroup_make_somewhere(tree, service_id, error);

    if (path == NULL)
        return NULL;
    cgroup_tree_take_spare(tree);

    Cgroup *cgroup = g_malloc0(sizeof *cgroup + strlen(path) + 1);
    cgroup->tree = tree;
    cgroup->directory_fd = cgroup->leaf_fd = cgroup->procs_fd = -1;
    strcpy(cgroup->path, path);
    cgroup_link(cgroup);
    return cgroup;
}

void cgroup_free(Cgroup *cgroup)
{
    if (cgroup == NULL)
        return;
    cgroup_unwatch(cgroup);
    cgroup_close(cgroup);
    CgroupPlace place = cgroup_place(cgroup);
    if (!cgroup->is_removed && !cgroup_place_remove(&place))
        (void)g_hash_table_add(cgroup->tree->left, g_strdup(place.name)); /* once is enough */
    cgroup_unlink(cgroup);
    g_free(cgroup);
}

/* Descriptors */

int cgroup_directory_fd(Cgroup *cgroup)
{
    if (cgroup->directory_fd < 0)
        cgroup->directory_fd = cgroup_file_open(cgroup->tree->sys, cgroup->tree->fd,
                                                cgroup_name(cgroup), O_RDONLY | O_DIRECTORY);
    return cgroup->directory_fd;
}

bool cgroup_is_divided(const Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);
    g_autofree char *text = cgroup_place_read(&place, "cgroup.subtree_control");

    return text != NULL && *g_strstrip(text) != '\0';
}

int cgroup_leaf_fd(Cgroup *cgroup)
{
    const Sys *sys = cgroup->tree->sys;
    int directory_fd = cgroup_directory_fd(cgroup);

    if (directory_fd < 0)
        return -1;
    if (cgroup->leaf_fd < 0 &&
        (sys->mkdirat(directory_fd, CGROUP_HELPERS, 0755) == 0 || errno == EEXIST))
        cgroup->leaf_fd =
                cgroup_file_open(sys, directory_fd, CGROUP_HELPERS, O_RDONLY | O_DIRECTORY);
    return cgroup->leaf_fd;
}

int cgroup_procs_fd(Cgroup *cgroup)
{
    char path[CGROUP_FILE_BYTES];

    (void)g_snprintf(path, sizeof path, "%s/%scgroup.procs", cgroup_name(cgroup),
                     cgroup->leaf_fd >= 0 ? CGROUP_HELPERS "/" : "");
    if (cgroup->procs_fd < 0)
        cgroup->procs_fd = cgroup_file_open(cgroup->tree->sys, cgroup->tree->fd, path, O_WRONLY);
    return cgroup->procs_fd;
}

void cgroup_close(Cgroup *cgroup)
{
    cgroup->directory_fd = fd_close(cgroup->directory_fd);
    cgroup->leaf_fd = fd_close(cgroup->leaf_fd);
    cgroup->procs_fd = fd_close(cgroup->procs_fd);
}

/* Emptiness */

static bool cgroup_read_populated(const Cgroup *cgroup, uint64_t *ret_populated)
{
    CgroupPlace place = cgroup_place(cgroup);

    if (cgroup_place_stat(&place, "cgroup.events", "populated", ret_populated))
        return true;
    if (!cgroup_tree_give_spare(cgroup->tree, errno))
        return false;
    bool ok = cgroup_place_stat(&place, "cgroup.events", "populated", ret_populated);
    cgroup_tree_take_spare(cgroup->tree);
    return ok;
}

bool cgroup_is_empty(const Cgroup *cgroup)
{
    uint64_t populated;

    if (!cgroup_read_populated(cgroup, &populated))
        return errno == ENOENT || errno == ENODEV; /* somebody has removed it */
    errno = 0;
    return populated == 0;
}

/* What cannot be read may have been removed by somebody else; then it is not there any more. */
bool cgroup_remove_if_empty(Cgroup *cgroup)
{
    CgroupPlace place = cgroup_place(cgroup);
    uint64_t populated;

    cgroup->is_removed = cgroup->is_removed ||
                         place.sys->unlinkat(place.parent_fd, place.name, AT_REMOVEDIR) == 0;
    if (cgroup->is_removed)
        return true;
    if (cgroup_read_populated(cgroup, &populated))
        return populated == 0;
    return cgroup_place_remove_bare(&place);
}

/* The file counts as changed until it is read again. */
static bool cgroup_watch_read(const struct CgroupWatch *watch, uint64_t *ret_populated)
{
    return lseek(watch->fd, 0, SEEK_SET) == 0 &&
           cgroup_fd_stat(watch->cgroup->tree->sys, watch->fd, "populated", ret_populated);
}

static void cgroup_watch_stop(struct CgroupWatch *watch)
{
    watch_free(watch->watch);
    watch->watch = NULL;
    watch->fd = fd_close(watch->fd);
}

/* What cannot be read any more is told once: who listens looks himself. */
static void on_cgroup_events(uint32_t events, void *data)
{
    struct CgroupWatch *watch = data;
    uint64_t populated = 0;

    if (!cgroup_watch_read(watch, &populated))
        cgroup_watch_stop(watch);
    if (populated == 0)
        watch->func(watch->data); /* may free the watch */
}

/* A file that was never read counts as changed: the first look comes by itself. */
bool cgroup_watch(Cgroup *cgroup, void (*func)(void *data), void *data)
{
    CgroupTree *tree = cgroup->tree;
    char path[CGROUP_FILE_BYTES];

    cgroup_unwatch(cgroup);
    (void)g_snprintf(path, sizeof path, "%s/cgroup.events", cgroup_name(cgroup));
    autofd int fd = cgroup_file_open(tree->sys, tree->fd, path, O_RDONLY);
    if (fd < 0)
        return false;

    struct CgroupWatch *watch = g_new0(struct CgroupWatch, 1);
    watch->watch =
            watch_new(tree->watches, fd, EPOLLPRI, WATCH_PRIORITY_NORMAL, on_cgroup_events, watch);
    if (watch->watch == NULL) {
        g_free(watch);
        return false;
    }
    watch->cgroup = cgroup;
    watch->fd = fd_steal(&fd);
    watch->func = func;
    watch->data = data;
    cgroup->watch = watch;
    return true;
}

void cgroup_unwatch(Cgroup *cgroup)
{
    if (cgroup->watch == NULL)
        return;
    cgroup_watch_stop(cgroup->watch);
    g_clear_pointer(&cgroup->watch, g_free);
}
