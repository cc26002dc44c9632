/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What people write, as numbers, and back. Strict: the whole string must be consumed. All setters
 * set an ERROR_INVALID_ARGS error that says what was expected and what was got ("expected a
 * duration such as
 * \"30s\", got -1"; hostile strings are escaped and cut to 64 bytes in it), and leave *ret_x
 * untouched. */

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* "1min 30s", "500ms", "1.5h", "10" (seconds), "infinity"; units us/µs ms s min h d w and systemd's
 * long spellings (see systemd.time(7)); USEC_INFINITY for "infinity". */
bool parse_duration(const char *string, uint64_t *ret_usec, GError **error);
/* "1min 30s", "500ms", "0", "infinity": parses back to the same value. */
char *format_duration(uint64_t usec);

/* "64KiB", "1.5GiB", "512", "10MB" (IEC units are powers of 1024, SI of 1000; "K" "M" "G" "T" alone
 * are IEC). */
bool parse_size(const char *string, uint64_t *ret_bytes, GError **error);
/* The largest IEC unit that divides exactly, else bytes: parses back to the same value. */
char *format_size(uint64_t bytes);

#define ID_MAX_BYTES 255
/* 1 to 255 bytes of A-Z a-z 0-9 . _ - @ : not starting with '.' or '-'. ERROR_INVALID_ID. */
bool parse_id(const char *id, GError **error);

/* "SIGTERM", "TERM", "15", also "RTMIN+3". */
bool parse_signal(const char *string, int *ret_signo, GError **error);
/* "SIGTERM"; "SIGRTMIN+3"; NULL for no signal. Static or interned. */
const char *signal_to_string(int signo);

/* Octal, "0022" or "22", at most 07777 (a umask: 0777). */
bool parse_mode(const char *string, uint32_t max, uint32_t *ret_mode, GError **error);

/* Decimal unsigned within [min, max]; no sign, no blank. */
bool parse_unsigned(const char *string, uint64_t min, uint64_t max, uint64_t *ret_value,
                    GError **error);

/* A copy for messages: cut to 64 bytes, control and non-UTF-8 bytes escaped. */
char *parse_excerpt(const char *string);
