/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The model behind contract.h. */

#include "support/contract.h"

typedef struct ContractMember {
    const char *element; /* "method", "signal", "property" */
    char *name;
    GString *in;      /* signature of the arguments; the type of a property; of a signal */
    GString *out;     /* of the results */
    GPtrArray *lines; /* "in name type" */
    GHashTable *annotations;
} ContractMember;

typedef struct ContractInterface {
    char *name;
    GHashTable *members; /* "method Start" -> ContractMember */
} ContractInterface;

struct Contract {
    GHashTable *interfaces; /* name -> ContractInterface */
    GPtrArray *names;       /* sorted, NULL-terminated */
    GHashTable *calls;      /* "SENDER COOKIE" -> "INTERFACE MEMBER" or "INTERFACE" for GetAll */
};

#define CONTRACT_EMITS "org.freedesktop.DBus.Property.EmitsChangedSignal"
#define CONTRACT_EXPLICIT "org.freedesktop.systemd1.Explicit"

const ContractInterface *contract_find(const Contract *contract, const char *interface);
const ContractMember *contract_find_member(const ContractInterface *interface, const char *element,
                                           const char *name);
bool contract_set_error(GError **error, const char *format, ...) G_GNUC_PRINTF(2, 3);
