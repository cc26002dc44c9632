/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One typed function per signal: sd-bus does not compare signals with the vtable, so each is
 * written here once, for every connection. */

#include "bus/internal.h"
#include "bus/writer.h"

/* Manager.Event, and its data alone, as entries of an open a{sv} (for GetEvents). */
void emit_event(Bus *bus, const Event *event);
void emit_write_event_entries(Writer *writer, const Event *event);

/* PropertiesChanged of org.svcmgr1.Service with what differs between the records; none if nothing
 * does. */
void emit_service_changed(Bus *bus, const Service *service, const StateRecord *old_state,
                          const StateRecord *new_state);
/* PropertiesChanged of the kind's own interface with the properties whose bits are set. */
void emit_kind_changed(Bus *bus, const Service *service, uint32_t mask);
/* PropertiesChanged of org.svcmgr1.Manager; names: NULL-terminated, as in the vtable. */
void emit_manager_changed(Bus *bus, const char *const *names);

/* InterfacesAdded, complete, and InterfacesRemoved. */
void emit_service_added(Bus *bus, const Service *service);
void emit_service_removed(Bus *bus, const Service *service);
