/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people said about a service, and where it comes from; no part of its lifecycle. Immutable
 * and reference-counted: a record holds one, so that a change of it is told like every other. */

#include <glib.h>
#include <stdbool.h>

typedef enum ServiceSource {
    SOURCE_BUS,        /* created over the bus, kept; what it is when nobody says more */
    SOURCE_TRANSIENT,  /* created over the bus, gone with the daemon */
    SOURCE_DEFINITION, /* from a file */
} ServiceSource;

typedef struct About {
    gatomicrefcount refs;
    ServiceSource source;
    bool enabled;
    const char *directory; /* of the definition, interned; NULL: none */
    char *description;     /* or NULL */
    GHashTable *labels;    /* of strings, or NULL */
} About;

/* A copy of what the struct holds; labels: a reference. */
About *about_new(const About *values);
About *about_ref(About *about);
void about_unref(About *about); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(About, about_unref)
/* Equal in everything. */
bool about_equal(const About *a, const About *b);
/* NULL is no labels. */
bool about_labels_equal(GHashTable *a, GHashTable *b);
