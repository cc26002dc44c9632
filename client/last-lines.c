/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Lines of one service in the style for people, each below the other. */

#include "last-lines.h"

#include "log-text.h"
#include "text.h"

#define LAST_LINES_INDENT "    "

static char *last_lines_join(const Output *output, const json_t *lines, unsigned n)
{
    char *services[] = {(char *)"", NULL};
    Output plain = *output;
    GString *shown = g_string_new(NULL);
    size_t size = json_array_size(lines);

    plain.has_colour = false;
    g_autoptr(LogText) text = log_text_new(&plain, LOG_STYLE_SHORT, services);
    for (size_t i = size > n ? size - n : 0; i < size; i++) {
        g_autoptr(LogEntry) entry = log_entry_from_json(json_array_get(lines, i));

        if (entry != NULL)
            log_text_add(text, 0, entry, shown);
    }
    log_text_end(text, shown);
    return g_string_free(shown, FALSE);
}

char *last_lines_text(const Output *output, const json_t *lines, unsigned n, int width)
{
    g_autofree char *joined = last_lines_join(output, lines, n);
    g_auto(GStrv) split = g_strsplit(joined, "\n", -1);
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; split[i] != NULL && split[i + 1] != NULL; i++) {
        g_autofree char *line = g_strconcat(LAST_LINES_INDENT, split[i], NULL);
        g_autofree char *cut =
                width > 0 ? text_cut(line, width, output_ellipsis(output)) : g_strdup(line);

        g_string_append(text, cut);
        g_string_append_c(text, '\n');
    }
    if (text->len == 0)
        return (char *)g_string_free(text, TRUE); /* NULL */
    return g_string_free(text, FALSE);
}
