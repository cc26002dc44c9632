/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Command line in, exit code out. */

#include "daemon.h"

int main(int argc, char **argv)
{
    return daemon_main(argc, argv);
}
