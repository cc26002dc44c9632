/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A configuration of a kind that runs programs, parsed as the daemon parses it. */

#include "core/kind.h"

#include <stddef.h>
#include <stdint.h>

/* kind: process or oneshot. */
void fuzz_config(const Kind *kind, const uint8_t *data, size_t size);
/* What a refused document has told. */
void fuzz_config_assert_problems(const Problems *problems);
