/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An unprivileged daemon cannot change who a program runs as, but a definition that asks for the
 * very user that the daemon is must work: then nothing is set. */

#include "process/identity.h"

#include "base/errors.h"
#include "base/parse.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <unistd.h>

#define IDENTITY_BUFFER_BYTES 16384
#define IDENTITY_BUFFER_MAX_BYTES (1024 * 1024)
#define IDENTITY_GROUPS_MAX 65536

typedef struct passwd Passwd;

/* (uid_t)-1 means "leave as it is" to the kernel. */
static bool identity_parse_number(const char *name, uint32_t *ret_number)
{
    uint64_t number;

    if (!g_ascii_isdigit(name[0]) || !parse_unsigned(name, 0, UINT32_MAX - 1, &number, NULL))
        return false;
    *ret_number = (uint32_t)number;
    return true;
}

/* ret_entry points into *ret_buffer. False with errno, 0 for no such user. */
static bool identity_find_user(const char *name, Passwd *ret_entry, char **ret_buffer)
{
    uint32_t uid = 0;
    bool is_number = identity_parse_number(name, &uid);

    for (size_t size = IDENTITY_BUFFER_BYTES; size <= IDENTITY_BUFFER_MAX_BYTES; size *= 2) {
        g_autofree char *buffer = g_malloc(size);
        Passwd *found = NULL;
        int r = is_number ? getpwuid_r(uid, ret_entry, buffer, size, &found)
                          : getpwnam_r(name, ret_entry, buffer, size, &found);

        if (r == ERANGE)
            continue;
        errno = r == ENOENT || r == ESRCH ? 0 : r;
        if (found != NULL)
            *ret_buffer = g_steal_pointer(&buffer);
        return found != NULL;
    }
    errno = ERANGE;
    return false;
}

static bool identity_find_group(const char *name, gid_t *ret_gid, GError **error)
{
    if (identity_parse_number(name, ret_gid))
        return true;
    for (size_t size = IDENTITY_BUFFER_BYTES; size <= IDENTITY_BUFFER_MAX_BYTES; size *= 2) {
        g_autofree char *buffer = g_malloc(size);
        struct group entry, *found = NULL;
        int r = getgrnam_r(name, &entry, buffer, size, &found);

        if (found != NULL) {
            *ret_gid = found->gr_gid;
            return true;
        }
        if (r == 0 || r == ENOENT || r == ESRCH)
            return error_set(error, ERROR_FAILED, "group '%s' does not exist", name);
        if (r != ERANGE)
            return error_set_errno(error, r, "cannot look up group '%s'", name);
    }
    return error_set_errno(error, ERANGE, "cannot look up group '%s'", name);
}

/* Those that the group database gives to the user, and the one that it runs as: the group of the
 * user's own entry only if that is it. */
static void identity_take_groups_of_user(Identity *identity, const char *name)
{
    int size = 64, n = size;
    gid_t *groups = g_new(gid_t, (size_t)size);

    while (getgrouplist(name, identity->gid, groups, &n) < 0) {
        size = MIN(MAX(n, size * 2), IDENTITY_GROUPS_MAX);
        groups = g_renew(gid_t, groups, (size_t)size);
        if (n >= IDENTITY_GROUPS_MAX) {
            n = 0; /* the kernel takes no more than NGROUPS_MAX */
            break;
        }
        n = size;
    }
    identity->groups = groups;
    identity->n_groups = (size_t)n;
    identity->sets_groups = true;
}

static bool identity_take_user(Identity *identity, const char *user, bool group_is_given,
                               GError **error)
{
    g_autofree char *buffer = NULL;
    Passwd entry;

    identity->sets_user = true;
    if (identity_find_user(user, &entry, &buffer)) {
        identity->uid = entry.pw_uid;
        identity->gid = entry.pw_gid;
        identity->sets_group = true;
        identity->name = g_strdup(entry.pw_name);
        identity->home = g_strdup(entry.pw_dir);
        identity->shell = g_strdup(entry.pw_shell);
        return true;
    }
    if (errno != 0)
        return error_set_errno(error, errno, "cannot look up user '%s'", user);
    if (!identity_parse_number(user, &identity->uid))
        return error_set(error, ERROR_FAILED, "user '%s' does not exist", user);
    if (!group_is_given)
        return error_set(error, ERROR_FAILED,
                         "user %s is not in the user database, so its group must be given", user);
    identity->sets_groups = true; /* to none */
    return true;
}

static bool identity_take_supplementary(Identity *identity, char *const *names, GError **error)
{
    size_t n_names = g_strv_length((char **)names);

    identity->groups = g_renew(gid_t, identity->groups, identity->n_groups + n_names);
    for (size_t i = 0; i < n_names; i++) {
        if (!identity_find_group(names[i], &identity->groups[identity->n_groups], error))
            return false;
        identity->n_groups++;
    }
    identity->sets_groups = true;
    return true;
}

static bool identity_look_up(Identity *identity, const char *user, const char *group,
                             char *const *supplementary, GError **error)
{
    if (user != NULL && !identity_take_user(identity, user, group != NULL, error))
        return false;
    if (group != NULL) {
        if (!identity_find_group(group, &identity->gid, error))
            return false;
        identity->sets_group = true;
    }
    if (identity->name != NULL)
        identity_take_groups_of_user(identity, identity->name);
    if (supplementary != NULL && supplementary[0] != NULL)
        return identity_take_supplementary(identity, supplementary, error);
    return true;
}

bool identity_resolve(const char *user, const char *group, char *const *supplementary,
                      Identity *ret_identity, GError **error)
{
    uid_t own_uid = geteuid();
    gid_t own_gid = getegid();
    Identity identity = {.uid = own_uid, .gid = own_gid};
    bool groups_are_asked_for = supplementary != NULL && supplementary[0] != NULL;

    if (!identity_look_up(&identity, user, group, supplementary, error)) {
        identity_clear(&identity);
        return false;
    }
    if (own_uid != 0) {
        if (identity.uid == own_uid)
            identity.sets_user = false;
        if (identity.gid == own_gid)
            identity.sets_group = false;
        if (!identity.sets_user && !identity.sets_group && !groups_are_asked_for)
            identity.sets_groups = false;
    }
    *ret_identity = identity;
    return true;
}

void identity_clear(Identity *identity)
{
    g_clear_pointer(&identity->groups, g_free);
    g_clear_pointer(&identity->name, g_free);
    g_clear_pointer(&identity->home, g_free);
    g_clear_pointer(&identity->shell, g_free);
}
