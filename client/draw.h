/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "client.h"

/* Has dot(1) of Graphviz draw a graph to standard output. Where it is not installed, says what to
 * install. */
Outcome draw_svg(const char *dot);
