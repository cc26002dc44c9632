/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Taking over what the definitions say now. */

#include "units/units.h"

void reload_report_init(ReloadReport *report);
void reload_report_clear(ReloadReport *report);
/* Services that are made anew when they have gone are not made any more. */
void reload_cancel(Daemon *daemon);
/* now: as read and checked; one that cannot be taken over beside the others gets an error. Fills
 * report, and unless it is a dry run does what it says. */
void reload_run(Daemon *daemon, Definitions *now, bool dry_run, const Origin *origin,
                ReloadReport *report);
