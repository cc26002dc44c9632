/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Text as people read it: harmless, as wide as it looks, and times in words. Everything here is
 * pure, and returns new strings. */

#include <glib.h>
#include <stdint.h>

/* One line that cannot command a terminal: control characters (C0, DEL, C1), line separators,
 * characters that turn the direction of text, and bytes that are not UTF-8 become \n, \t, \x1b or
 * \u202e. */
char *text_escape(const char *string);
/* The same, but tabs stay. */
char *text_escape_but_tabs(const char *string);
/* The same, but newlines and tabs stay. */
char *text_escape_lines(const char *string);

/* Columns on a terminal, from its first one on: wide characters (Unicode's East Asian Width) count
 * 2, combining ones 0, and a tab goes to the next multiple of 8. */
int text_width(const char *string);
/* At most width columns; what was cut is shown by ellipsis. */
char *text_cut(const char *string, int width, const char *ellipsis);

/* The two largest units of a time span: "2min 3s", "3d 4h", "1.2s", "250ms"; "0s". */
char *text_span(uint64_t usec);
/* "512 B", "5.2 KiB", "64 MiB". */
char *text_bytes(uint64_t bytes);
/* time seen from now, both in wall clock usec: "2min 3s ago", "in 5s", "now". */
char *text_ago(uint64_t time, uint64_t now);
/* The same of what has happened: it may have after the command looked at the clock, then it is
 * "now". */
char *text_since(uint64_t time, uint64_t now);
/* Local time, "2026-11-21 12:05:07". */
char *text_time(uint64_t time);
/* Local time of day with milliseconds, "12:05:07.123". */
char *text_clock(uint64_t time);
