/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Parsers under hostile bytes. Each target is one file that defines the function which libFuzzer
 * calls, and asserts there what must hold for every input; an assertion that fails is a crash like
 * any other. The same file is linked with replay.c into an ordinary test. */

#include <glib.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Always 0. data is exactly size bytes: a sanitizer sees who reads one more. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the bytes are up to the first NUL, as a string. */
char *fuzz_string(const uint8_t *data, size_t size);

/* Text that people will read: valid UTF-8, at most max_bytes, not empty, no control characters; a
 * newline only if it may have several lines. */
void fuzz_assert_line(const char *text, size_t max_bytes);
void fuzz_assert_lines(const char *text, size_t max_bytes);

/* Writes a file of this name into a directory of this process, which is removed at its end. Gives
 * the path; the same file is written anew each time. */
const char *fuzz_write_file(const char *name, const void *data, size_t size);
/* That directory. */
const char *fuzz_directory(void);
