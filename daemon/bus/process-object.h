/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* org.svcmgr1.Process: the values come from the kind's own table (core/kind.h). */

#include "bus/writer.h"
#include "core/map.h"

extern const sd_bus_vtable process_vtable[];

/* Whether the service's kind has this interface. */
bool process_object_is(const Service *service, const char *interface);
/* Whether it is read only when asked for, and never signalled. */
bool process_object_is_explicit(const KindProperty *property);
/* As an entry of an a{sv}; not of one that is explicit. */
void process_object_write_entry(const KindProperty *property, Writer *writer,
                                const Service *service);
/* Asserts that every kind's interface is one that is served here, with all its properties, each of
 * the same type. */
void process_object_check_kinds(Map *map);
