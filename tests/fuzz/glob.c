/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Patterns over ids: the first line is the pattern, the second one the string. The matcher must
 * agree with one that tries everything and forgets nothing. */

#include "bus/glob.h"

#include "fuzz.h"

#include <string.h>

#define GLOB_FUZZ_PATTERN_BYTES 128
#define GLOB_FUZZ_STRING_BYTES 255

typedef enum GlobAnswer {
    GLOB_UNKNOWN,
    GLOB_NO,
    GLOB_YES,
} GlobAnswer;

/* answers[i][j]: whether the pattern from i on matches the string from j on. */
typedef struct GlobSearch {
    const char *pattern;
    const char *string;
    uint8_t answers[GLOB_FUZZ_PATTERN_BYTES + 1][GLOB_FUZZ_STRING_BYTES + 1];
} GlobSearch;

static bool glob_search_set_takes(const char *set, const char *end, unsigned char byte)
{
    bool negated = *set == '!' || *set == '^';
    bool found = false;

    for (set += negated; set < end; set++) {
        unsigned char least = (unsigned char)*set, most = least;

        if (end - set > 2 && set[1] == '-') {
            most = (unsigned char)set[2];
            set += 2;
        }
        found = found || (byte >= least && byte <= most);
    }
    return found != negated;
}

/* Whether the element at pattern takes byte; *ret_next follows it. */
static bool glob_search_takes(const char *pattern, unsigned char byte, const char **ret_next)
{
    const char *set = pattern + 1, *end = set;

    *ret_next = pattern + 1;
    if (*pattern == '?')
        return true;
    if (*pattern == '\\' && pattern[1] != '\0') {
        *ret_next = pattern + 2;
        return (unsigned char)pattern[1] == byte;
    }
    if (*pattern != '[')
        return (unsigned char)*pattern == byte;
    end += *end == '!' || *end == '^';
    end += *end == ']'; /* the first one stands for itself */
    end = strchr(end, ']');
    if (end == NULL)
        return byte == '[';
    *ret_next = end + 1;
    return glob_search_set_takes(set, end, byte);
}

static bool glob_search(GlobSearch *search, const char *pattern, const char *string)
{
    uint8_t *answer = &search->answers[pattern - search->pattern][string - search->string];
    const char *next;
    bool matches;

    if (*answer != GLOB_UNKNOWN)
        return *answer == GLOB_YES;
    if (*pattern == '\0')
        matches = *string == '\0';
    else if (*pattern == '*')
        matches = glob_search(search, pattern + 1, string) ||
                  (*string != '\0' && glob_search(search, pattern, string + 1));
    else
        matches = *string != '\0' && glob_search_takes(pattern, (unsigned char)*string, &next) &&
                  glob_search(search, next, string + 1);
    *answer = matches ? GLOB_YES : GLOB_NO;
    return matches;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree char *pattern = fuzz_string(data, size);
    char *string = strchr(pattern, '\n');

    if (string == NULL)
        return 0;
    *string++ = '\0';
    if (strlen(pattern) > GLOB_FUZZ_PATTERN_BYTES || strlen(string) > GLOB_FUZZ_STRING_BYTES)
        return 0;

    g_autoptr(Glob) glob = glob_new(pattern);
    g_autofree GlobSearch *search = g_new0(GlobSearch, 1);
    search->pattern = pattern;
    search->string = string;
    g_assert_cmpint(glob_matches(glob, string), ==, glob_search(search, pattern, string));
    return 0;
}
