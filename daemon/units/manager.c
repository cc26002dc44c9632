/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Nobody may listen, so failures are no matter. */

#include "units/manager.h"

#include <glib.h>
#include <systemd/sd-daemon.h>

void manager_tell_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void manager_tell_reloading(uint64_t monotonic_usec)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" G_GUINT64_FORMAT, monotonic_usec);
}

void manager_tell_stopping(uint64_t stop_usec)
{
    (void)sd_notifyf(0, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%" G_GUINT64_FORMAT, stop_usec);
}

void manager_tell_status(const char *format, ...)
{
    g_autofree char *status = NULL;
    va_list args;

    va_start(args, format);
    status = g_strdup_vprintf(format, args);
    va_end(args);
    (void)sd_notifyf(0, "STATUS=%s", status);
}
