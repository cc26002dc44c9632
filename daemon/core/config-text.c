/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The digest is kept as bytes and written out when somebody asks. */

#include "core/config-text.h"

#include <string.h>

ConfigText *config_text_new(const char *text, size_t length)
{
    g_autoptr(GChecksum) checksum = g_checksum_new(G_CHECKSUM_SHA256);
    ConfigText *copy = g_malloc(sizeof *copy + length + 1);
    gsize digest_length = sizeof copy->digest;

    g_assert(length <= UINT32_MAX);
    g_atomic_ref_count_init(&copy->refs);
    copy->length = (uint32_t)length;
    memcpy(copy->text, text, length);
    copy->text[length] = '\0';
    g_checksum_update(checksum, (const guchar *)text, (gssize)length);
    g_checksum_get_digest(checksum, copy->digest, &digest_length);
    return copy;
}

ConfigText *config_text_ref(ConfigText *text)
{
    g_atomic_ref_count_inc(&text->refs);
    return text;
}

void config_text_unref(ConfigText *text)
{
    if (text != NULL && g_atomic_ref_count_dec(&text->refs))
        g_free(text);
}

bool config_text_equal(const ConfigText *a, const ConfigText *b)
{
    if (a == NULL || b == NULL)
        return a == b;
    return memcmp(a->digest, b->digest, sizeof a->digest) == 0;
}

void config_text_digest(const ConfigText *text, char ret_digest[static CONFIG_DIGEST_STRING])
{
    static const char digits[] = "0123456789abcdef";
    char *at = g_stpcpy(ret_digest, "sha256:");

    for (size_t i = 0; i < CONFIG_DIGEST_BYTES; i++) {
        *at++ = digits[text->digest[i] >> 4];
        *at++ = digits[text->digest[i] & 0xf];
    }
    *at = '\0';
}
