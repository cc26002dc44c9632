/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One star is remembered: when what follows it does not fit, the newest star takes one byte more.
 * Older stars never have to be tried again. */

#include "bus/glob.h"

#include <glib.h>

/* After the '['. The end of the set, or NULL if there is none: then the '[' stands for itself. */
static const char *glob_set_end(const char *set)
{
    if (*set == '!' || *set == '^')
        set++;
    if (*set == ']')
        set++;
    while (*set != '\0' && *set != ']')
        set++;
    return *set == ']' ? set : NULL;
}

static bool glob_set_has(const char *set, const char *end, char c)
{
    bool negated = *set == '!' || *set == '^';
    bool found = false;

    if (negated)
        set++;
    for (; set < end; set++) {
        char least = *set, most = *set;

        if (set + 2 < end && set[1] == '-') {
            most = set[2];
            set += 2;
        }
        found = found || (least <= c && c <= most);
    }
    return found != negated;
}

/* Whether the first element of pattern (no star) takes c; *ret_next is what follows it. */
static bool glob_step(const char *pattern, char c, const char **ret_next)
{
    const char *end = *pattern == '[' ? glob_set_end(pattern + 1) : NULL;

    if (end != NULL) {
        *ret_next = end + 1;
        return glob_set_has(pattern + 1, end, c);
    }
    if (*pattern == '\\' && pattern[1] != '\0')
        pattern++;
    else if (*pattern == '?') {
        *ret_next = pattern + 1;
        return true;
    }
    *ret_next = pattern + 1;
    return *pattern != '\0' && *pattern == c;
}

bool glob_matches(const char *pattern, const char *string)
{
    const char *star = NULL, *retry = NULL, *next;

    while (*string != '\0') {
        if (*pattern == '*') {
            star = ++pattern;
            retry = string;
        } else if (glob_step(pattern, *string, &next)) {
            pattern = next;
            string++;
        } else if (star != NULL) {
            pattern = star;
            string = ++retry;
        } else {
            return false;
        }
    }
    while (*pattern == '*')
        pattern++;
    return *pattern == '\0';
}
