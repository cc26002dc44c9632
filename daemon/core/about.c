/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Shared by all records between two changes of it. */

#include "core/about.h"

About *about_new(const About *values)
{
    About *about = g_new(About, 1);
    *about = *values;
    g_atomic_ref_count_init(&about->refs);
    about->description = g_strdup(values->description);
    if (about->labels != NULL)
        g_hash_table_ref(about->labels);
    return about;
}

About *about_ref(About *about)
{
    g_atomic_ref_count_inc(&about->refs);
    return about;
}

void about_unref(About *about)
{
    if (about == NULL || !g_atomic_ref_count_dec(&about->refs))
        return;
    g_free(about->description);
    g_clear_pointer(&about->labels, g_hash_table_unref);
    g_free(about);
}

bool about_labels_equal(GHashTable *a, GHashTable *b)
{
    unsigned n_a = a != NULL ? g_hash_table_size(a) : 0;
    unsigned n_b = b != NULL ? g_hash_table_size(b) : 0;
    GHashTableIter iter;
    void *name, *value;

    if (a == b || (n_a == 0 && n_b == 0))
        return true;
    if (n_a != n_b)
        return false;
    g_hash_table_iter_init(&iter, a);
    while (g_hash_table_iter_next(&iter, &name, &value)) {
        if (g_strcmp0(g_hash_table_lookup(b, name), value) != 0)
            return false;
    }
    return true;
}

bool about_equal(const About *a, const About *b)
{
    if (a == b)
        return true;
    return a->source == b->source && a->enabled == b->enabled && a->directory == b->directory &&
           g_strcmp0(a->description, b->description) == 0 &&
           about_labels_equal(a->labels, b->labels);
}
