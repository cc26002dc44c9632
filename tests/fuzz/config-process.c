/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Configurations of the kind process. */

#include "config.h"
#include "fuzz.h"
#include "kinds/kinds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    g_autofree Kind *kind = kind_process_new(NULL);

    fuzz_config(kind, data, size);
    return 0;
}
