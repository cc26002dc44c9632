/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The capabilities of capabilities(7) by name, and those of this process. */

#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY_NAME_BYTES 64

/* "CAP_NET_ADMIN", "net_admin", "Cap_Net_Admin"; no numbers. False: it is none that we know. */
bool capability_from_string(const char *string, unsigned *ret_number);
/* "CAP_NET_ADMIN"; newly allocated. NULL: it has no name. */
char *capability_to_string(unsigned number);

/* As bits, a one at each capability's number. False: they cannot be read. */
bool capabilities_read_own(uint64_t *ret_effective, uint64_t *ret_bounding);
