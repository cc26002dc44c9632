/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A controller is there for our services if the base offers it and both the base and the tree hand
 * it down. A cgroup that hands controllers down may have no processes itself, unless it is the
 * root: if it is we who are in the base, we move into a leaf of the tree. */

#include "process/cgroup-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

static const char *const cgroup_controller_names[_CGROUP_CONTROLLER_MAX] = {
        [CGROUP_MEMORY] = "memory",
        [CGROUP_CPU] = "cpu",
        [CGROUP_PIDS] = "pids",
        [CGROUP_IO] = "io",
};

const char *cgroup_controller_name(CgroupController controller)
{
    return cgroup_controller_names[controller];
}

/* The bits of the controllers that a file of directory_fd lists; none if it cannot be read. */
static unsigned cgroup_controllers_read(const CgroupTree *tree, int directory_fd, const char *file)
{
    g_autofree char *text = cgroup_file_read(tree->sys, directory_fd, file, CGROUP_TEXT_BYTES);
    unsigned controllers = 0;

    if (text == NULL)
        return 0;
    g_auto(GStrv) words = g_strsplit_set(text, " \n", -1);
    for (unsigned i = 0; i < _CGROUP_CONTROLLER_MAX; i++) {
        if (g_strv_contains((const char *const *)words, cgroup_controller_names[i]))
            controllers |= 1u << i;
    }
    return controllers;
}

static bool cgroup_controller_switch(const CgroupTree *tree, int directory_fd,
                                     CgroupController controller, char sign)
{
    char word[16];

    (void)g_snprintf(word, sizeof word, "%c%s", sign, cgroup_controller_names[controller]);
    return cgroup_file_write(tree->sys, directory_fd, "cgroup.subtree_control", word);
}

static bool cgroup_tree_enter_leaf(CgroupTree *tree)
{
    if (tree->sys->mkdirat(tree->fd, CGROUP_LEAF, 0755) < 0 && errno != EEXIST)
        return false;
    tree->has_leaf = cgroup_file_write(tree->sys, tree->fd, CGROUP_LEAF "/cgroup.procs", "0");
    return tree->has_leaf;
}

/* A failure of the move leaves what the kernel said first. */
static bool cgroup_tree_enable_in_base(CgroupTree *tree, CgroupController controller)
{
    if (cgroup_controller_switch(tree, tree->base_fd, controller, '+'))
        return true;
    if (errno != EBUSY || tree->has_leaf)
        return false;
    if (cgroup_tree_enter_leaf(tree))
        return cgroup_controller_switch(tree, tree->base_fd, controller, '+');
    errno = EBUSY;
    return false;
}

static char *cgroup_tree_explain(CgroupController controller, const char *base_path,
                                 int errno_value)
{
    const char *name = cgroup_controller_names[controller];

    if (errno_value == EBUSY)
        return g_strdup_printf("the %s controller cannot be enabled in the cgroup %s while "
                               "processes other than the daemon are in it",
                               name, base_path);
    return g_strdup_printf("the %s controller cannot be enabled in the cgroup %s: %s", name,
                           base_path, g_strerror(errno_value));
}

static void cgroup_tree_enable_one(CgroupTree *tree, CgroupController controller,
                                   const char *base_path, unsigned before)
{
    unsigned bit = 1u << controller;

    if (cgroup_tree_enable_in_base(tree, controller)) {
        tree->enabled |= bit & ~before;
        if (cgroup_controller_switch(tree, tree->fd, controller, '+')) {
            tree->controllers |= bit;
            return;
        }
        base_path = tree->path;
    }
    tree->why_not[controller] = cgroup_tree_explain(controller, base_path, errno);
}

void cgroup_tree_enable(CgroupTree *tree, const char *base_path)
{
    unsigned offered = cgroup_controllers_read(tree, tree->base_fd, "cgroup.controllers");
    unsigned before = cgroup_controllers_read(tree, tree->base_fd, "cgroup.subtree_control");

    for (CgroupController i = 0; i < _CGROUP_CONTROLLER_MAX; i++) {
        if ((offered & 1u << i) != 0)
            cgroup_tree_enable_one(tree, i, base_path, before);
        else
            tree->why_not[i] = g_strdup_printf("the cgroup %s has no %s controller (see its "
                                               "cgroup.controllers)",
                                               base_path, cgroup_controller_names[i]);
    }
}

/* Without a leaf nothing has to be undone: who is in the base may be there. */
void cgroup_tree_disable(CgroupTree *tree)
{
    if (!tree->has_leaf)
        return;
    for (CgroupController i = 0; i < _CGROUP_CONTROLLER_MAX; i++) {
        if ((tree->controllers & 1u << i) != 0)
            (void)cgroup_controller_switch(tree, tree->fd, i, '-');
        if ((tree->enabled & 1u << i) != 0)
            (void)cgroup_controller_switch(tree, tree->base_fd, i, '-');
    }
    /* If that fails, the leaf stays, and so does the tree. */
    tree->has_leaf = !cgroup_file_write(tree->sys, tree->base_fd, "cgroup.procs", "0");
}
