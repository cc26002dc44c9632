/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Standard error, so that results can be piped while a person watches. */

#include "progress.h"

#include "base/clock.h"
#include "base/parse.h"

#include <stdio.h>
#include <unistd.h>

#define PROGRESS_PATIENCE_USEC (500 * USEC_PER_MSEC)

void progress_begin(Progress *progress, const Client *client, unsigned n_items)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    *progress = (Progress){
            .is_enabled = isatty(STDERR_FILENO) == 1 && !client->output.is_quiet &&
                          client->output.json == JSON_MODE_NONE,
            .n_items = n_items,
            .began_usec = now,
            .next_usec = now + PROGRESS_PATIENCE_USEC,
    };
}

uint64_t progress_wait_usec(const Progress *progress)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    if (!progress->is_enabled)
        return UINT64_MAX;
    return progress->next_usec > now ? progress->next_usec - now : 0;
}

void progress_draw(Progress *progress, unsigned n_running)
{
    uint64_t now = clock_monotonic_usec(clock_system());

    if (!progress->is_enabled || now < progress->next_usec)
        return;
    g_autofree char *since =
            format_duration((now - progress->began_usec) / USEC_PER_SEC * USEC_PER_SEC);
    progress->is_shown = true;
    progress->next_usec = now + USEC_PER_SEC;
    fprintf(stderr, "\r\033[Kwaiting for %u of %u, %s", n_running, progress->n_items, since);
    (void)fflush(stderr); /* a line that nobody needs */
}

void progress_clear(Progress *progress)
{
    if (!progress->is_shown)
        return;
    progress->is_shown = false;
    fputs("\r\033[K", stderr);
    (void)fflush(stderr);
}
