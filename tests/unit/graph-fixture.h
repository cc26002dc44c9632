/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A graph by itself: services that do nothing, and of settling only what it was told. */

#include "core-fixture.h"

extern Graph *graph;

void graph_setup(void);
void graph_teardown(void);

/* "requires a b; before c"; NULL and "": none. The caller's. */
Dependencies *graph_lists(const char *text);
/* The service of this id that is there, or NULL. */
Service *graph_service(const char *id);
/* Checked, which must be accepted, and attached. */
Service *graph_have(const char *id, const char *text);
/* Checked, which must be accepted. */
void graph_say(const char *id, const char *text);
/* Detached and gone. */
void graph_lose(const char *id);
/* The message, or NULL: accepted. The caller's. */
char *graph_refusal(const char *id, const char *text);

/* What settling was told since: "links db, mark web, present db", sorted. NULL: anything. */
void assert_told(const char *expected);
/* Ids, sorted, with blanks between. */
void assert_edges(const GPtrArray *edges, const char *expected);
char *graph_ids(const GPtrArray *nodes, bool sorted);
/* Every edge is at both of its ends, and every node has a reason to be there. */
void assert_graph_invariants(void);
