/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON Merge Patch, RFC 7396: a member null deletes, an object is merged into what is there, and
 * everything else takes its place. */

#include <jansson.h>

/* Changes target, which must be an object, by patch, another object. Members that stay keep their
 * order, new ones come last. Nothing of patch is shared with target afterwards. */
void patch_apply(json_t *target, const json_t *patch);
