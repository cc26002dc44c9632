/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is escaped or cut off has a "%", which no id that is taken as it is can have; after a cut
 * follows "-", which no escape has. */

#include "process/file-name.h"

#include <glib.h>
#include <string.h>

#define FILE_NAME_SAFE                                                                             \
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.@:" /* parse_id's */
#define FILE_NAME_DIGEST_BYTES 64

char *file_name_from_id(const char *id, size_t max_bytes)
{
    g_autoptr(GString) name = g_string_new(NULL);

    g_assert(max_bytes > strlen("%-") + FILE_NAME_DIGEST_BYTES);
    for (const char *at = id; *at != '\0'; at++) {
        if (strchr(FILE_NAME_SAFE, *at) != NULL && !(at == id && *at == '.'))
            g_string_append_c(name, *at);
        else
            g_string_append_printf(name, "%%%02X", (unsigned char)*at);
    }
    if (name->len > max_bytes) {
        g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, id, -1);

        g_string_truncate(name, max_bytes - strlen("%-") - FILE_NAME_DIGEST_BYTES);
        g_string_append_printf(name, "%%-%s", digest);
    }
    return g_strdup(name->str);
}
