/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The lists are strings of their own: a record may outlive everything that it names. */

#include "core/links.h"

/* The empty list is no list. */
static char **links_take_list(char **list)
{
    if (list != NULL && *list != NULL)
        return list;
    g_strfreev(list);
    return NULL;
}

Links *links_new(Dependencies *own, char **required_by, char **waiting_for)
{
    char **requirers = links_take_list(required_by), **awaited = links_take_list(waiting_for);
    if (dependencies_are_empty(own) && requirers == NULL && awaited == NULL)
        return NULL;
    Links *links = g_new(Links, 1);
    g_atomic_ref_count_init(&links->refs);
    links->own = own != NULL ? dependencies_ref(own) : NULL;
    links->required_by = requirers;
    links->waiting_for = awaited;
    return links;
}

Links *links_ref(Links *links)
{
    g_atomic_ref_count_inc(&links->refs);
    return links;
}

void links_unref(Links *links)
{
    if (links == NULL || !g_atomic_ref_count_dec(&links->refs))
        return;
    dependencies_unref(links->own);
    g_strfreev(links->required_by);
    g_strfreev(links->waiting_for);
    g_free(links);
}

char *const *links_list(const Links *links, Relation relation)
{
    return links != NULL && links->own != NULL ? links->own->lists[relation] : NULL;
}

char *const *links_required_by(const Links *links)
{
    return links != NULL ? links->required_by : NULL;
}

char *const *links_waiting_for(const Links *links)
{
    return links != NULL ? links->waiting_for : NULL;
}
