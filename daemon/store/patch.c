/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Documents are at most JSON_MAX_DEPTH deep (base/json.h), so recursion is. */

#include "store/patch.h"

#include <glib.h>

static void patch_set(json_t *target, const char *name, json_t *value)
{
    /* Fails only without memory, or for a name that is not UTF-8, which no document has. */
    int r = json_object_set_new_nocheck(target, name, value);

    g_assert(r == 0);
}

void patch_apply(json_t *target, const json_t *patch)
{
    const char *name;
    json_t *value;

    /* The macro takes a json_t *, although it changes nothing. */
    json_object_foreach((json_t *)patch, name, value)
    {
        if (json_is_null(value)) {
            (void)json_object_del(target, name); /* it need not be there */
        } else if (json_is_object(value)) {
            if (!json_is_object(json_object_get(target, name)))
                patch_set(target, name, json_object());
            patch_apply(json_object_get(target, name), value);
        } else {
            patch_set(target, name, json_deep_copy(value));
        }
    }
}
