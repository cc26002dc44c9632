/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The text of a configuration as it was accepted, with its digest: one block of memory, for it is
 * what is kept of every service, running or not. Immutable and reference-counted. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

#define CONFIG_DIGEST_BYTES 32 /* SHA-256, FIPS 180-4 */
/* "sha256:", two digits for each byte, NUL */
#define CONFIG_DIGEST_STRING (7 + 2 * CONFIG_DIGEST_BYTES + 1)

typedef struct ConfigText {
    gatomicrefcount refs;
    uint32_t length; /* without the NUL behind it */
    uint8_t digest[CONFIG_DIGEST_BYTES];
    char text[];
} ConfigText;

/* A copy of text; length is at most JSON_MAX_BYTES. */
ConfigText *config_text_new(const char *text, size_t length);
ConfigText *config_text_ref(ConfigText *text);
void config_text_unref(ConfigText *text); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ConfigText, config_text_unref)
/* Of the same digest; NULL equals NULL. */
bool config_text_equal(const ConfigText *a, const ConfigText *b);
/* "sha256:HEX". */
void config_text_digest(const ConfigText *text, char ret_digest[static CONFIG_DIGEST_STRING]);
