/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The graph in the DOT language of Graphviz. Pure. */

#include "graph.h"

/* everything: also services that have nothing to do with others. A new string. */
char *dot_text(const Graph *graph, bool everything);
