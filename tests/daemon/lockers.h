/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The folder in which the program "locker" takes its locks: who runs, with which configuration, and
 * whether anybody ran twice. The programs end when this is freed, or the test dies. */

#include "support/daemon-fixture.h"

typedef struct Lockers {
    char *folder;
    char *program;
    int life; /* the programs end when it is closed */
} Lockers;

Lockers *lockers_new(const DaemonFixture *fixture);
void lockers_free(Lockers *lockers);
/* {"exec": ...} that runs it with these words (", \"child\"", or "") and tag; the caller's. */
char *lockers_config(const Lockers *lockers, const char *words, unsigned tag, const char *members);
/* "PID TAG\n" of the program of this service that runs; NULL: none does. The caller's. */
char *lockers_read(const Lockers *lockers, const char *id);
/* All processes that were started with this folder, whoever is their parent. */
unsigned lockers_count(const Lockers *lockers);
/* Asserts that no program has found another one of its service. */
void lockers_check_single(const Lockers *lockers);
