/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ends at once: "exit N" with a code, "signal N" by a signal, "first-fails FILE" with 1 unless FILE
 * is there, which it makes. */

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    if (argc != 3)
        return 99;
    if (strcmp(argv[1], "exit") == 0)
        return atoi(argv[2]);
    if (strcmp(argv[1], "signal") == 0)
        return raise(atoi(argv[2]));
    if (strcmp(argv[1], "first-fails") == 0)
        return open(argv[2], O_CREAT | O_EXCL | O_CLOEXEC, 0600) >= 0 ? 1 : 0;
    return 99;
}
