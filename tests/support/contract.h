/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The contract (the XML files of interfaces/, or what an object says of itself), as something that
 * can be compared with another one and held against every message that is seen on a wire. */

#include <glib.h>
#include <stdbool.h>
#include <systemd/sd-bus.h>

typedef struct Contract Contract;

/* An introspection document. */
Contract *contract_parse(const char *xml, GError **error);
/* All *.xml files of a directory as one. */
Contract *contract_load(const char *directory, GError **error);
void contract_free(Contract *contract); /* accepts NULL */
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Contract, contract_free)

/* Names of the interfaces, sorted, NULL-terminated, the contract's. */
const char *const *contract_interfaces(const Contract *contract);
/* One line per argument, annotation and property, in a fixed order, so that two contracts agree
 * where these texts are the same; NULL if there is no such interface. Annotations of our own
 * (org.svcmgr1.*), which sd-bus cannot export, are left out. */
char *contract_describe(const Contract *contract, const char *interface);
/* The annotation org.svcmgr1.Action of a method; NULL: it has none. */
const char *contract_action(const Contract *contract, const char *interface, const char *method);
/* Names of the methods, sorted, NULL-terminated; free the array alone. */
const char **contract_methods(const Contract *contract, const char *interface);
const char **contract_properties(const Contract *contract, const char *interface);
/* The signature of a method's arguments; the contract's. */
const char *contract_arguments(const Contract *contract, const char *interface, const char *method);

/* A message seen on the wire, in either direction, in the order seen. Calls of our interfaces are
 * remembered, so that their replies can be checked when they come. Checks: calls and replies have
 * the signature of their method; signals exist and have theirs; PropertiesChanged names properties
 * that exist, with the right type, and only such whose changes are signalled; InterfacesAdded and
 * the reply of GetAll have every property that is not explicit and nothing else. What is not of our
 * interfaces is right. */
bool contract_check_message(Contract *contract, sd_bus_message *message, GError **error);
/* A reply whose call is at hand. */
bool contract_check_reply(const Contract *contract, sd_bus_message *call, sd_bus_message *reply,
                          GError **error);
