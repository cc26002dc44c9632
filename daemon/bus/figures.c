/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What was seen last is remembered, and which figures have differed since they were told. A figure
 * that is back where it was is told as well: who asked in between knows it otherwise. */

#include "bus/figures.h"

#include "bus/emit.h"

#include <string.h>

#define FIGURES_INTERVAL_USEC (USEC_PER_SEC / 4)

typedef struct FiguresSeen {
    const char *phase;
    const char *state;
    unsigned storage_error; /* hash of its text */
    unsigned n_services;
    unsigned n_active;
    unsigned n_failed;
    unsigned n_backoff;
    uint64_t serial;
    GArray *kinds; /* of unsigned, in the order of map_kinds */
} FiguresSeen;

struct Figures {
    Bus *bus;
    Timer *timer;
    uint64_t next_usec; /* not before */
    FiguresSeen seen;
    unsigned untold; /* mask of rows of figures_names */
};

static const char *const figures_names[] = {"Phase",     "State",      "StorageError",
                                            "NServices", "NActive",    "NFailed",
                                            "NBackoff",  "KindCounts", "EventSerial"};

static GArray *figures_count_kinds(Map *map)
{
    GArray *counts = g_array_new(FALSE, FALSE, sizeof(unsigned));

    for (const Kind *const *kind = map_kinds(map); *kind != NULL; kind++) {
        unsigned count = map_count_of_kind(map, (*kind)->name);

        g_array_append_val(counts, count);
    }
    return counts;
}

static FiguresSeen figures_look(Bus *bus)
{
    const MapCounts *counts = map_counts(bus->map);

    return (FiguresSeen){
            .phase = bus->phase,
            .state = bus_state(bus),
            .storage_error = g_str_hash(keeper_error(bus->keeper)),
            .n_services = counts->total,
            .n_active = counts->active,
            .n_failed = counts->by_state[STATE_FAILED],
            .n_backoff = counts->by_state[STATE_BACKOFF],
            .serial = feed_serial(map_core(bus->map)->feed),
            .kinds = figures_count_kinds(bus->map),
    };
}

static bool figures_kinds_differ(const GArray *a, const GArray *b)
{
    return a->len != b->len || (a->len > 0 && memcmp(a->data, b->data, a->len * sizeof(unsigned)));
}

/* A mask of what differs, in the order of figures_names. */
static unsigned figures_compare(const FiguresSeen *old, const FiguresSeen *new)
{
    const bool differs[G_N_ELEMENTS(figures_names)] = {
            !g_str_equal(old->phase, new->phase),
            !g_str_equal(old->state, new->state),
            old->storage_error != new->storage_error,
            old->n_services != new->n_services,
            old->n_active != new->n_active,
            old->n_failed != new->n_failed,
            old->n_backoff != new->n_backoff,
            figures_kinds_differ(old->kinds, new->kinds),
            old->serial != new->serial,
    };
    unsigned mask = 0;

    for (size_t i = 0; i < G_N_ELEMENTS(differs); i++)
        mask |= differs[i] ? 1U << i : 0;
    return mask;
}

static void figures_see(Figures *figures)
{
    const FiguresSeen new = figures_look(figures->bus);

    figures->untold |= figures_compare(&figures->seen, &new);
    g_array_unref(figures->seen.kinds);
    figures->seen = new;
}

static void on_figures_due(void *data)
{
    Figures *figures = data;
    const char *names[G_N_ELEMENTS(figures_names) + 1] = {NULL};
    size_t n = 0;

    figures_see(figures);
    for (size_t i = 0; i < G_N_ELEMENTS(figures_names); i++) {
        if (figures->untold & (1U << i))
            names[n++] = figures_names[i];
    }
    figures->untold = 0;
    figures->next_usec = usec_add(clock_monotonic_usec(figures->bus->clock), FIGURES_INTERVAL_USEC);
    if (n > 0)
        emit_manager_changed(figures->bus, names);
}

void figures_tell(Figures *figures)
{
    timer_disarm(figures->timer);
    on_figures_due(figures);
}

void figures_note(Figures *figures)
{
    figures_see(figures);
    if (!timer_is_armed(figures->timer))
        timer_arm(figures->timer,
                  MAX(clock_monotonic_usec(figures->bus->clock), figures->next_usec));
}

Figures *figures_new(Bus *bus)
{
    Figures *figures = g_new0(Figures, 1);

    figures->bus = bus;
    figures->timer = timer_new(bus->timers, on_figures_due, figures);
    figures->seen = figures_look(bus);
    return figures;
}

void figures_free(Figures *figures)
{
    if (figures == NULL)
        return;
    timer_free(figures->timer);
    g_array_unref(figures->seen.kinds);
    g_free(figures);
}
