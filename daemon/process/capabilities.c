/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* libcap-ng knows the names. The child makes its system calls itself: the library would allocate,
 * and read /proc. */

#include "process/capabilities.h"

#include <cap-ng.h>
#include <glib.h>
#include <string.h>

#define CAPABILITY_PREFIX "CAP_"
#define CAPABILITY_NUMBERS 64

bool capability_from_string(const char *string, unsigned *ret_number)
{
    bool is_prefixed =
            g_ascii_strncasecmp(string, CAPABILITY_PREFIX, strlen(CAPABILITY_PREFIX)) == 0;
    g_autofree char *name =
            g_ascii_strdown(string + (is_prefixed ? strlen(CAPABILITY_PREFIX) : 0), -1);

    if (strlen(name) >= CAPABILITY_NAME_BYTES || !g_ascii_isalpha(name[0]))
        return false;

    int number = capng_name_to_capability(name);
    if (number < 0 || number >= CAPABILITY_NUMBERS)
        return false;
    *ret_number = (unsigned)number;
    return true;
}

char *capability_to_string(unsigned number)
{
    const char *name = number < CAPABILITY_NUMBERS ? capng_capability_to_name(number) : NULL;
    unsigned again;

    /* The library makes up a name for a number that it does not know. */
    if (name == NULL || !capability_from_string(name, &again) || again != number)
        return NULL;
    g_autofree char *upper = g_ascii_strup(name, -1);
    return g_strconcat(CAPABILITY_PREFIX, upper, NULL);
}

static uint64_t capabilities_collect(capng_type_t type)
{
    uint64_t bits = 0;

    for (unsigned number = 0; number < CAPABILITY_NUMBERS; number++) {
        if (capng_have_capability(type, number))
            bits |= UINT64_C(1) << number;
    }
    return bits;
}

bool capabilities_read_own(uint64_t *ret_effective, uint64_t *ret_bounding)
{
    capng_clear(CAPNG_SELECT_ALL);
    if (capng_get_caps_process() < 0)
        return false;
    *ret_effective = capabilities_collect(CAPNG_EFFECTIVE);
    *ret_bounding = capabilities_collect(CAPNG_BOUNDING_SET);
    return true;
}
