/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a D-Bus string may hold (D-Bus specification, "Basic types": UTF-8), and sd-bus is stricter:
 * it refuses the 66 noncharacters of Unicode too. Services say what they like, so every text of
 * theirs goes through here. */

/* text itself if it may be sent, else a copy in *ret_copy (the caller's) with U+FFFD in the place
 * of everything that may not. */
const char *text_sendable(const char *text, char **ret_copy);
