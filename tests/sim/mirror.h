/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A listener that believes its snapshot with every change applied to it, of the whole map or of one
 * service. It may do something from inside its callback, once: leave, or ask for something. */

#include "world.h"

/* The meaning of more stands with OP_JOIN: bit 0 of one service, bit 1 without the snapshot of the
 * core's own, then 4 bits of reaction and 3 of how many changes it waits for. */
void mirror_join(World *world, unsigned index, unsigned slot, uint32_t more);
void mirror_leave(World *world, unsigned index);
void mirror_free(Mirror *mirror);

/* All accept NULL. */
void mirror_check_serial(const Mirror *mirror, uint64_t serial);
void mirror_check_one(const Mirror *mirror, const Service *service, const Seen *there);
/* There are that many services, and mirror_check_one was called for each. */
void mirror_check_all(const Mirror *mirror, unsigned n_services);
