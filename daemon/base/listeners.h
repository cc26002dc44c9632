/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A list of (function, data) to be told of something. Removal rules, which hold inside callbacks
 * too:
 * - a listener removed before its turn in a round is not called in that round;
 * - a listener may remove itself and any other from inside its callback;
 * - a listener added during a round is first called in the next round;
 * - the list may be freed from inside a callback: the round ends there.
 * Order of calls is the order of addition. */

#include <stdbool.h>
#include <stddef.h>

typedef struct Listeners Listeners;
typedef struct Listener Listener;
/* event is what listeners_notify was given. */
typedef void (*ListenerFunc)(const void *event, void *data);

Listeners *listeners_new(void);
/* Accepts NULL. Remaining listeners are dropped; their handles must not be used afterwards. */
void listeners_free(Listeners *listeners);
/* The handle stays valid until listener_remove or listeners_free. */
Listener *listeners_add(Listeners *listeners, ListenerFunc func, void *data);
/* Accepts NULL. */
void listener_remove(Listener *listener);
/* Calls every listener with event. Returns false if the list was freed on the way. */
bool listeners_notify(Listeners *listeners, const void *event);
/* NULL counts as empty. */
size_t listeners_count(const Listeners *listeners);
