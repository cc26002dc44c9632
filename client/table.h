/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Aligned columns of text. */

#include "output.h"

typedef struct Table Table;

/* headings: NULL-terminated; static. */
Table *table_new(const char *const *headings);
void table_free(Table *table); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Table, table_free)

/* The next cell of the row; escaped here. A row is full when each column has its cell. */
void table_add(Table *table, Colour colour, const char *text);
unsigned table_count(const Table *table);
/* Prints headings (unless quiet) and rows. On a terminal every line is cut to its width. */
void table_print(const Table *table, const Output *output);
