/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A column is as wide as its widest cell, by columns of a terminal and not by bytes; the last one
 * has no width, and is what is cut where a terminal ends. There, one long id may not push
 * everything else off the edge: the first column gets a third at most. */

#include "table.h"

#include "text.h"

#include <stdio.h>

#define TABLE_GAP 2
#define TABLE_FIRST_MIN 20

typedef struct Cell {
    char *text;
    Colour colour;
} Cell;

struct Table {
    const char *const *headings;
    unsigned n_columns;
    int *widths;
    GArray *cells; /* row by row */
};

static void table_clear_cell(void *data)
{
    Cell *cell = data;

    g_free(cell->text);
}

Table *table_new(const char *const *headings)
{
    Table *table = g_new0(Table, 1);

    table->headings = headings;
    table->n_columns = g_strv_length((char **)headings);
    table->widths = g_new0(int, table->n_columns);
    for (unsigned i = 0; i < table->n_columns; i++)
        table->widths[i] = text_width(headings[i]);
    table->cells = g_array_new(FALSE, FALSE, sizeof(Cell));
    g_array_set_clear_func(table->cells, table_clear_cell);
    return table;
}

void table_free(Table *table)
{
    if (table == NULL)
        return;
    g_array_unref(table->cells);
    g_free(table->widths);
    g_free(table);
}

void table_add(Table *table, Colour colour, const char *text)
{
    Cell cell = {.text = text_escape(text), .colour = colour};
    int *width = &table->widths[table->cells->len % table->n_columns];

    *width = MAX(*width, text_width(cell.text));
    g_array_append_val(table->cells, cell);
}

unsigned table_count(const Table *table)
{
    return table->cells->len / table->n_columns;
}

/* width: of the column, with the gap after it; 0: the last of its line. left: columns that the line
 * still has; -1: without limit. Returns what is left afterwards. */
static int table_print_cell(const Output *output, const Cell *cell, int width, int left)
{
    int room = width > 0 && output->width > 0 ? MIN(width - TABLE_GAP, left) : left;
    g_autofree char *text =
            room < 0 ? g_strdup(cell->text) : text_cut(cell->text, room, output_ellipsis(output));
    int used = text_width(text);
    int padding = MAX(width - used, 0);

    if (left >= 0)
        padding = MIN(padding, left - used);
    printf("%s%s%s%*s", output_colour(output, cell->colour), text,
           output_reset(output, cell->colour), padding, "");
    return left < 0 ? left : left - used - padding;
}

static int table_column_width(const Table *table, const Output *output, unsigned column)
{
    int width = table->widths[column];

    if (column == 0 && output->width > 0)
        width = MIN(width, MAX(output->width / 3, TABLE_FIRST_MIN));
    return width;
}

static void table_print_row(const Table *table, const Output *output, const Cell *cells)
{
    int left = output->width > 0 ? output->width : -1;

    for (unsigned i = 0; i < table->n_columns && left != 0; i++) {
        bool is_last = i + 1 == table->n_columns;
        /* Nothing but blanks may follow: then the line ends here. */
        bool rest_is_empty = !is_last && i + 2 == table->n_columns && cells[i + 1].text[0] == '\0';

        int width = table_column_width(table, output, i);

        if (is_last && cells[i].text[0] == '\0')
            break;
        left = table_print_cell(output, &cells[i], is_last || rest_is_empty ? 0 : width + TABLE_GAP,
                                left);
    }
    putchar('\n');
}

void table_print(const Table *table, const Output *output)
{
    g_autofree Cell *headings = g_new0(Cell, table->n_columns);

    for (unsigned i = 0; i < table->n_columns; i++)
        headings[i] = (Cell){.text = (char *)table->headings[i], .colour = COLOUR_BOLD};
    if (!output->is_quiet)
        table_print_row(table, output, headings);
    for (unsigned row = 0; row < table_count(table); row++) {
        unsigned first = row * table->n_columns;
        table_print_row(table, output, &g_array_index(table->cells, Cell, first));
    }
}
