/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A file with process ids that is there only when it is whole. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/types.h>

/* One a line. Ends the program when it cannot be written. */
static inline void note_pids(const char *path, const pid_t *pids, int n)
{
    char *part = NULL;

    if (asprintf(&part, "%s.part", path) < 0)
        exit(80);
    FILE *file = fopen(part, "we");
    if (file == NULL)
        exit(81);
    for (int i = 0; i < n; i++)
        (void)fprintf(file, "%d\n", (int)pids[i]);
    if (fclose(file) != 0 || rename(part, path) < 0)
        exit(82);
    free(part);
}
