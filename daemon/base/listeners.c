/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* While a round is going on nothing is unlinked and nothing is freed: what goes away is only
 * marked, and the outermost round sweeps when it ends. Additions carry a serial, and a round calls
 * only those that were there when it began; so rounds may also be nested. */

#include "base/listeners.h"

#include <glib.h>
#include <stdint.h>

struct Listener {
    Listeners *listeners;
    ListenerFunc func;
    void *data;
    uint64_t serial;
    bool removed;
    GList link;
};

struct Listeners {
    GQueue queue; /* of Listener, in the order of addition */
    uint64_t last_serial;
    size_t n_present; /* without those that are marked removed */
    unsigned depth;   /* rounds going on */
    bool freed;       /* from inside a round */
    bool dirty;       /* something is marked removed */
};

Listeners *listeners_new(void)
{
    Listeners *listeners = g_new0(Listeners, 1);

    g_queue_init(&listeners->queue);
    return listeners;
}

static void listeners_drop(Listeners *listeners, Listener *listener)
{
    g_queue_unlink(&listeners->queue, &listener->link);
    g_free(listener);
}

static void listeners_destroy(Listeners *listeners)
{
    while (listeners->queue.head != NULL)
        listeners_drop(listeners, listeners->queue.head->data);
    g_free(listeners);
}

static void listeners_sweep(Listeners *listeners)
{
    GList *next;

    for (GList *link = listeners->queue.head; link != NULL; link = next) {
        Listener *listener = link->data;

        next = link->next;
        if (listener->removed)
            listeners_drop(listeners, listener);
    }
    listeners->dirty = false;
}

void listeners_free(Listeners *listeners)
{
    if (listeners == NULL)
        return;
    g_assert(!listeners->freed);
    if (listeners->depth > 0)
        listeners->freed = true;
    else
        listeners_destroy(listeners);
}

Listener *listeners_add(Listeners *listeners, ListenerFunc func, void *data)
{
    Listener *listener = g_new0(Listener, 1);

    g_assert(!listeners->freed);
    listener->listeners = listeners;
    listener->func = func;
    listener->data = data;
    listener->serial = ++listeners->last_serial;
    listener->link.data = listener;
    g_queue_push_tail_link(&listeners->queue, &listener->link);
    listeners->n_present++;
    return listener;
}

void listener_remove(Listener *listener)
{
    if (listener == NULL)
        return;

    Listeners *listeners = listener->listeners;
    g_assert(!listener->removed);
    listeners->n_present--;
    if (listeners->depth == 0) {
        listeners_drop(listeners, listener);
        return;
    }
    listener->removed = true;
    listeners->dirty = true;
}

bool listeners_notify(Listeners *listeners, const void *event)
{
    uint64_t last_serial = listeners->last_serial;

    g_assert(!listeners->freed);
    listeners->depth++;
    for (GList *link = listeners->queue.head; link != NULL && !listeners->freed;
         link = link->next) {
        Listener *listener = link->data;

        if (listener->serial > last_serial)
            break;
        if (!listener->removed)
            listener->func(event, listener->data);
    }
    listeners->depth--;

    bool freed = listeners->freed;
    if (listeners->depth > 0)
        return !freed;
    if (freed)
        listeners_destroy(listeners);
    else if (listeners->dirty)
        listeners_sweep(listeners);
    return !freed;
}

size_t listeners_count(const Listeners *listeners)
{
    return listeners == NULL ? 0 : listeners->n_present;
}
