/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Enum <-> wire string tables. An enum that travels as a string ends in _X_MAX and has _X_INVALID =
 * -22
 * (-EINVAL); its strings stand in one array, in the order of the enum. Both functions
 * come from the table, so that they cannot disagree; every table is tested round trip. */

#include <glib.h>

#define ENUM_TABLE_DECLARE(Type, prefix)                                                           \
    const char *prefix##_to_string(Type value);                                                    \
    Type prefix##_from_string(const char *string)

/* to_string asserts a value in range; from_string gives -22 (_X_INVALID) for NULL and for
 * strangers. */
#define ENUM_TABLE_DEFINE(Type, prefix, table)                                                     \
    const char *prefix##_to_string(Type value)                                                     \
    {                                                                                              \
        g_assert((int)value >= 0 && (size_t)value < G_N_ELEMENTS(table));                          \
        return table[value];                                                                       \
    }                                                                                              \
    Type prefix##_from_string(const char *string)                                                  \
    {                                                                                              \
        for (size_t i = 0; string != NULL && i < G_N_ELEMENTS(table); i++) {                       \
            if (g_str_equal(table[i], string))                                                     \
                return (Type)i;                                                                    \
        }                                                                                          \
        return (Type)-22;                                                                          \
    }
