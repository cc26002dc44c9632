/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The properties of org.svcmgr1.Service, once for all uses: the getters of the vtable, GetState,
 * the fields of ListServices and the PropertiesChanged of a transition. */

#include "bus/writer.h"
#include "core/service.h"

typedef struct ServiceProperty {
    const char *name;
    const char *signature;
    bool of_record; /* else it is an attribute of the service, which no transition changes */
    /* Writes the value (without the variant around it). NULL: a plain field (b, u or t) at offset.
     */
    void (*write)(Writer *writer, const Service *service, const StateRecord *record);
    bool (*equal)(const StateRecord *a, const StateRecord *b); /* of_record without offset */
    size_t offset;
} ServiceProperty;

/* Ends with a NULL name. */
extern const ServiceProperty service_properties[];

const ServiceProperty *service_property_find(const char *name); /* or NULL */
void service_property_write(const ServiceProperty *property, Writer *writer, const Service *service,
                            const StateRecord *record);
/* As an entry of an a{sv}. */
void service_property_write_entry(const ServiceProperty *property, Writer *writer,
                                  const Service *service, const StateRecord *record);
bool service_property_is_equal(const ServiceProperty *property, const StateRecord *a,
                               const StateRecord *b);
