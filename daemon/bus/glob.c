/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pattern is taken apart once, into elements that each take one byte (a set of 256 bits) with
 * or without a star before them; then no step of a match looks at more than one bit. One star is
 * remembered: when what follows it does not fit, the newest star takes one byte more. Older stars
 * never have to be tried again. A pattern with more elements than the string has bytes cannot
 * match, which bounds the rest. */

#include "bus/glob.h"

#include <stdint.h>
#include <string.h>

typedef struct GlobElement {
    bool after_star;
    uint32_t bytes[8]; /* those it takes */
} GlobElement;

struct Glob {
    unsigned n_elements;
    bool ends_in_star;
    GlobElement elements[];
};

static void glob_element_add(GlobElement *element, unsigned char least, unsigned char most)
{
    for (unsigned byte = least; byte <= most; byte++)
        element->bytes[byte / 32] |= UINT32_C(1) << byte % 32;
}

static bool glob_element_has(const GlobElement *element, unsigned char byte)
{
    return (element->bytes[byte / 32] & UINT32_C(1) << byte % 32) != 0;
}

/* After the '['. The end of the set, or NULL if there is none: then the '[' stands for itself. */
static const char *glob_set_end(const char *set)
{
    if (*set == '!' || *set == '^')
        set++;
    if (*set == ']')
        set++;
    return strchr(set, ']');
}

static void glob_parse_set(GlobElement *element, const char *set, const char *end)
{
    bool negated = *set == '!' || *set == '^';

    for (set += negated; set < end; set++) {
        const char *most = set;

        if (set + 2 < end && set[1] == '-')
            most = set + 2;
        glob_element_add(element, (unsigned char)*set, (unsigned char)*most);
        set = most;
    }
    for (size_t i = 0; negated && i < G_N_ELEMENTS(element->bytes); i++)
        element->bytes[i] = ~element->bytes[i];
}

/* What stands for one byte; returns what follows it. */
static const char *glob_parse_element(GlobElement *element, const char *pattern)
{
    const char *end = *pattern == '[' ? glob_set_end(pattern + 1) : NULL;

    if (end != NULL) {
        glob_parse_set(element, pattern + 1, end);
        return end + 1;
    }
    if (*pattern == '?') {
        glob_element_add(element, 0, UINT8_MAX);
        return pattern + 1;
    }
    if (*pattern == '\\' && pattern[1] != '\0')
        pattern++;
    glob_element_add(element, (unsigned char)*pattern, (unsigned char)*pattern);
    return pattern + 1;
}

Glob *glob_new(const char *pattern)
{
    size_t length = strlen(pattern);
    bool after_star = false;
    Glob *glob;

    g_assert(length <= GLOB_MAX_BYTES);
    glob = g_malloc0(sizeof(Glob) + length * sizeof(GlobElement));
    while (*pattern != '\0') {
        if (*pattern == '*') {
            after_star = true;
            pattern++;
            continue;
        }
        glob->elements[glob->n_elements].after_star = after_star;
        pattern = glob_parse_element(&glob->elements[glob->n_elements++], pattern);
        after_star = false;
    }
    glob->ends_in_star = after_star;
    return glob;
}

void glob_free(Glob *glob)
{
    g_free(glob);
}

bool glob_matches(const Glob *glob, const char *string)
{
    const GlobElement *element = glob->elements, *end = element + glob->n_elements;
    const GlobElement *star = NULL; /* the newest one's first element; end: the last star */
    const char *retry = NULL;

    if (strlen(string) < glob->n_elements)
        return false;
    while (*string != '\0') {
        bool at_star = element < end ? element->after_star : glob->ends_in_star;

        if (at_star && star != element) {
            star = element;
            retry = string;
        }
        if (element < end && glob_element_has(element, (unsigned char)*string)) {
            element++;
            string++;
        } else if (star != NULL) {
            element = star;
            string = ++retry;
        } else {
            return false;
        }
    }
    return element == end;
}
