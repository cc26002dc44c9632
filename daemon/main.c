/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command line in, exit code out. */

#include "daemon.h"

#include <malloc.h>

/* Larger blocks go back to the system when they are freed. Left alone, the C library raises this
 * bound to the largest block ever freed: after one huge message, which any peer may send, all that
 * is large would come from the heap and leave its holes there. */
#define MAIN_MAPPED_BLOCK_BYTES (128 * 1024)

int main(int argc, char **argv)
{
    (void)mallopt(M_MMAP_THRESHOLD, MAIN_MAPPED_BLOCK_BYTES); /* refused: costs memory alone */
    return daemon_main(argc, argv);
}
