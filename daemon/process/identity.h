/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whom a program runs as: names of users and groups looked up and turned into numbers, in the
 * daemon, so that the child only has to set them. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

typedef struct Identity {
    bool sets_user;
    bool sets_group;
    bool sets_groups;
    uid_t uid; /* the daemon's where it is not set */
    gid_t gid;
    gid_t *groups;
    size_t n_groups;
    /* Of the user, where one is given and the user database knows it; else NULL. */
    char *name;
    char *home;
    char *shell;
} Identity;

/* user, group: a name or a number; each may be NULL: the daemon's. supplementary: names and
 * numbers, or NULL. A user brings its group and its supplementary groups along. Errors: "user 'x'
 * does not exist". ret_identity is to be cleared with identity_clear. May ask NSS, which may block.
 */
bool identity_resolve(const char *user, const char *group, char *const *supplementary,
                      Identity *ret_identity, GError **error);
void identity_clear(Identity *identity);
