/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard error, so that results can be piped while a person watches. */

#include "progress.h"

#include "base/clock.h"
#include "text.h"

#include <stdio.h>
#include <unistd.h>

#define PROGRESS_PATIENCE_USEC (500 * USEC_PER_MSEC)

void progress_begin(Progress *progress, Client *client, unsigned n_items)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    *progress = (Progress){
            .is_enabled = isatty(STDERR_FILENO) == 1 && !client->output.is_quiet &&
                          client->output.json == JSON_MODE_NONE,
            .n_items = n_items,
            .width = client->output.width,
            .began_usec = now,
            .next_usec = now + PROGRESS_PATIENCE_USEC,
    };
    if (progress->is_enabled)
        progress->awaited = awaited_new(client);
}

void progress_end(Progress *progress)
{
    progress_clear(progress);
    awaited_free(g_steal_pointer(&progress->awaited));
}

uint64_t progress_wait_usec(Progress *progress)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    if (!progress->is_enabled)
        return UINT64_MAX;
    if (awaited_has_news(progress->awaited))
        progress->next_usec = now;
    return progress->next_usec > now ? progress->next_usec - now : 0;
}

bool progress_is_due(const Progress *progress)
{
    return progress->is_enabled && clock_monotonic_usec(clock_system()) >= progress->next_usec;
}

/* "web (waits for db), mail and 3 more". */
static char *progress_names(const Progress *progress, const char *const *ids, unsigned n_ids,
                            unsigned n_running)
{
    GString *text = g_string_new(NULL);

    for (unsigned i = 0; i < n_ids; i++) {
        awaited_look(progress->awaited, ids[i]);
        g_autofree char *waits = awaited_text(progress->awaited, ids[i]);
        g_string_append_printf(text, "%s%s%s%s%s", i > 0 ? ", " : "", ids[i],
                               waits != NULL ? " (" : "", waits != NULL ? waits : "",
                               waits != NULL ? ")" : "");
    }
    if (n_running > n_ids && n_ids > 0)
        g_string_append_printf(text, " and %u more", n_running - n_ids);
    return g_string_free(text, FALSE);
}

void progress_draw(Progress *progress, const char *const *ids, unsigned n_ids, unsigned n_running)
{
    uint64_t now = clock_monotonic_usec(clock_system());
    g_autofree char *since = text_span((now - progress->began_usec) / USEC_PER_SEC * USEC_PER_SEC);
    g_autofree char *names = progress_names(progress, ids, n_ids, n_running);
    g_autofree char *count = progress->n_items > 1
                                     ? g_strdup_printf("%u of %u%s", n_running, progress->n_items,
                                                       n_ids > 0 ? ": " : "")
                                     : g_strdup("");
    g_autofree char *line = g_strdup_printf("waiting %s for %s%s", since, count, names);
    g_autofree char *harmless = text_escape(line);
    /* A line that fills the terminal could not be taken away again. */
    g_autofree char *cut = progress->width > 0 ? text_cut(harmless, progress->width - 1, "...")
                                               : g_strdup(harmless);

    progress->is_shown = true;
    progress->next_usec = now + USEC_PER_SEC;
    fprintf(stderr, "\r\033[K%s", cut);
    (void)fflush(stderr); /* a line that nobody needs */
}

void progress_clear(Progress *progress)
{
    if (!progress->is_shown)
        return;
    progress->is_shown = false;
    progress->next_usec = 0; /* it is drawn again as soon as there is nothing else to do */
    fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}
