/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own directory. Two descriptors stay open, of it and of the base that it is in (and a
 * spare one), so that whatever is mounted or renamed later, what we make and remove is in our own
 * directory. */

#include "process/cgroup-internal.h"

#include "base/errors.h"
#include "base/fds.h"

#include <errno.h>
#include <fcntl.h>

#define CGROUP_FORMER_MAX 4096

static int cgroup_tree_open(CgroupTree *tree)
{
    if (tree->sys->mkdirat(tree->base_fd, tree->name, 0755) < 0 && errno != EEXIST)
        return -1;
    return cgroup_file_open(tree->sys, tree->base_fd, tree->name, O_RDONLY | O_DIRECTORY);
}

/* No service may divide its cgroup so deep that we could not follow; see cgroup_bound. */
static void cgroup_tree_bound(const CgroupTree *tree)
{
    (void)cgroup_file_write(tree->sys, tree->fd, "cgroup.max.depth",
                            G_STRINGIFY(CGROUP_TREE_DEPTH_MAX)); /* else it is done without */
}

CgroupTree *cgroup_tree_new(const CgroupTreeOptions *options, GError **error)
{
    g_autofree char *base_path = NULL;
    int base_fd = cgroup_base_open(options, &base_path, error);

    if (base_fd < 0)
        return NULL;

    CgroupTree *tree = g_new0(CgroupTree, 1);
    tree->sys = options->sys;
    tree->watches = options->watches;
    tree->name = g_strdup(options->name);
    tree->left = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    tree->path =
            g_strconcat(g_str_equal(base_path, "/") ? "" : base_path, "/", options->name, NULL);
    tree->base_fd = base_fd;
    tree->spare_fd = -1;
    tree->fd = cgroup_tree_open(tree);
    if (tree->fd < 0) {
        error_set_errno(error, errno, "cannot make the cgroup %s", tree->path);
        cgroup_tree_free(tree);
        return NULL;
    }
    cgroup_tree_bound(tree);
    cgroup_tree_take_spare(tree);
    cgroup_tree_enable(tree, base_path);
    return tree;
}

/* Without a descriptor nobody could see whether a cgroup is empty, nor kill what is in it. */
void cgroup_tree_take_spare(CgroupTree *tree)
{
    int saved = errno;

    if (tree->spare_fd < 0)
        tree->spare_fd = fcntl(tree->fd, F_DUPFD_CLOEXEC, 0); /* -1: there is none to be had */
    errno = saved;
}

bool cgroup_tree_give_spare(CgroupTree *tree, int errno_value)
{
    if ((errno_value != EMFILE && errno_value != ENFILE) || tree->spare_fd < 0)
        return false;
    tree->spare_fd = fd_close(tree->spare_fd);
    return true;
}

/* Children */

static bool on_cgroup_tree_child(int directory_fd, const char *name, void *data)
{
    GPtrArray *names = data;

    if (!g_str_equal(name, CGROUP_LEAF))
        g_ptr_array_add(names, g_strdup(name));
    return names->len < CGROUP_FORMER_MAX;
}

/* All but the daemon's leaf; NULL and errno. A descriptor of its own begins at the beginning. */
static GPtrArray *cgroup_tree_children(const CgroupTree *tree)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    autofd int fd = cgroup_file_open(tree->sys, tree->fd, ".", O_RDONLY | O_DIRECTORY);

    if (fd < 0 || !cgroup_each_child(tree->sys, fd, on_cgroup_tree_child, names))
        return NULL;
    return g_steal_pointer(&names);
}

typedef struct CgroupTreeWalk {
    const char *name;
    CgroupProcessFunc func;
    void *data;
    unsigned n_left;
} CgroupTreeWalk;

static bool on_cgroup_tree_process(pid_t pid, void *data)
{
    CgroupTreeWalk *walk = data;

    walk->func(pid, walk->name, walk->data);
    return --walk->n_left > 0;
}

bool cgroup_tree_walk(const CgroupTree *tree, CgroupProcessFunc func, void *data)
{
    g_autoptr(GPtrArray) names = cgroup_tree_children(tree);
    CgroupTreeWalk walk = {.func = func, .data = data, .n_left = CGROUP_FORMER_MAX};

    if (names == NULL)
        return false;
    for (unsigned i = 0; i < names->len && walk.n_left > 0; i++) {
        CgroupPlace place = {.sys = tree->sys, .parent_fd = tree->fd, .name = names->pdata[i]};

        walk.name = place.name;
        if (!cgroup_place_walk(&place, "cgroup.procs", on_cgroup_tree_process, &walk) &&
            errno != E2BIG)
            return false;
    }
    return true;
}

static GHashTable *cgroup_tree_names(const CgroupTree *tree)
{
    GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);

    for (const Cgroup *cgroup = tree->first; cgroup != NULL; cgroup = cgroup->next)
        g_hash_table_add(names, (char *)cgroup_name(cgroup));
    return names;
}

/* Dying takes a moment: what was killed just now is mostly there for another one. */
static bool cgroup_tree_clear_one(const CgroupTree *tree, const char *name)
{
    g_autofree char *path = g_strconcat(tree->path, "/", name, NULL);
    CgroupPlace place = {tree->sys, tree->fd, name, path};

    if (cgroup_place_remove(&place))
        return true;
    (void)cgroup_place_kill(&place); /* counted as left */
    return cgroup_place_remove(&place);
}

unsigned cgroup_tree_clear_former(CgroupTree *tree)
{
    g_autoptr(GPtrArray) names = cgroup_tree_children(tree);
    g_autoptr(GHashTable) ours = cgroup_tree_names(tree);
    unsigned n_left = 0;

    for (unsigned i = 0; names != NULL && i < names->len; i++) {
        if (!g_hash_table_contains(ours, names->pdata[i]))
            n_left += !cgroup_tree_clear_one(tree, names->pdata[i]);
    }
    return n_left;
}

static gboolean on_cgroup_tree_left(gpointer name, gpointer unused, gpointer data)
{
    const CgroupTree *tree = data;
    CgroupPlace place = {.sys = tree->sys, .parent_fd = tree->fd, .name = name};

    return cgroup_place_remove(&place);
}

void cgroup_tree_prune(CgroupTree *tree)
{
    (void)g_hash_table_foreach_remove(tree->left, on_cgroup_tree_left, tree); /* how many */
}

/* The end */

static bool cgroup_tree_has_children(const CgroupTree *tree)
{
    g_autoptr(GPtrArray) names = cgroup_tree_children(tree);

    return names == NULL || names->len > 0;
}

/* What still runs keeps its limits: then the daemon's leaf stays too. */
void cgroup_tree_free(CgroupTree *tree)
{
    if (tree == NULL)
        return;
    g_assert(tree->first == NULL);
    cgroup_tree_prune(tree);
    if (tree->fd >= 0 && !cgroup_tree_has_children(tree))
        cgroup_tree_disable(tree);
    if (tree->fd >= 0)
        (void)tree->sys->unlinkat(tree->fd, CGROUP_LEAF, AT_REMOVEDIR); /* if it is there */
    (void)tree->sys->unlinkat(tree->base_fd, tree->name, AT_REMOVEDIR); /* if empty */
    (void)fd_close(tree->spare_fd);
    (void)fd_close(tree->fd);
    (void)fd_close(tree->base_fd);
    for (unsigned i = 0; i < _CGROUP_CONTROLLER_MAX; i++)
        g_free(tree->why_not[i]);
    g_hash_table_unref(tree->left);
    g_free(tree->name);
    g_free(tree->path);
    g_free(tree);
}

const char *cgroup_tree_path(const CgroupTree *tree)
{
    return tree->path;
}

bool cgroup_tree_has(const CgroupTree *tree, CgroupController controller)
{
    return (tree->controllers & 1u << controller) != 0;
}

const char *cgroup_tree_why_not(const CgroupTree *tree, CgroupController controller)
{
    return tree->why_not[controller];
}
