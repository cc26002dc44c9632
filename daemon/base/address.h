/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values in D-Bus addresses. */

/* A value, such as a path, as it may stand in an address: D-Bus Specification, "Server Addresses",
 * says what need not be escaped. Free with g_free. */
char *address_escape(const char *value);
