/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GLib reads a date with a time of day to the second, so that whatever was left out is added. What
 * is none of it is a duration. */

#include "log-time.h"

#include "base/clock.h"
#include "base/errors.h"
#include "base/parse.h"

#include <string.h>

#define LOG_TIME_DATE_LENGTH strlen("2026-11-21")
#define LOG_TIME_MINUTE_LENGTH strlen("23:00")

static bool log_time_invalid(const char *string, GError **error)
{
    g_autofree char *excerpt = parse_excerpt(string);

    return error_set(error, ERROR_INVALID_ARGS,
                     "expected a time such as \"10min ago\", \"today\" or \"2026-11-21 23:00\", "
                     "got \"%s\"",
                     excerpt);
}

static uint64_t log_time_from(GDateTime *at)
{
    int64_t usec =
            g_date_time_to_unix(at) * (int64_t)USEC_PER_SEC + g_date_time_get_microsecond(at);

    return usec > 0 ? (uint64_t)usec : 1;
}

/* The date so many days from today, as GLib reads it. */
static char *log_time_date(uint64_t now, int days)
{
    g_autoptr(GDateTime) at = g_date_time_new_from_unix_local((int64_t)(now / USEC_PER_SEC));
    g_autoptr(GDateTime) day = at != NULL ? g_date_time_add_days(at, days) : NULL;

    return day != NULL ? g_date_time_format(day, "%Y-%m-%d") : g_strdup("");
}

/* Whatever string leaves open is added. */
static char *log_time_complete(const char *string, uint64_t now)
{
    bool is_clock = strlen(string) > 2 && string[2] == ':';

    if (g_str_equal(string, "today") || g_str_equal(string, "yesterday")) {
        g_autofree char *date = log_time_date(now, g_str_equal(string, "today") ? 0 : -1);
        return g_strconcat(date, "T00:00:00", NULL);
    }
    if (is_clock) {
        g_autofree char *date = log_time_date(now, 0);
        return g_strconcat(date, "T", string, strlen(string) == LOG_TIME_MINUTE_LENGTH ? ":00" : "",
                           NULL);
    }
    if (strlen(string) == LOG_TIME_DATE_LENGTH)
        return g_strconcat(string, "T00:00:00", NULL);
    if (strlen(string) == LOG_TIME_DATE_LENGTH + 1 + LOG_TIME_MINUTE_LENGTH)
        return g_strconcat(string, ":00", NULL);
    return g_strdup(string);
}

static bool log_time_parse_date(const char *string, uint64_t now, uint64_t *ret_usec)
{
    g_autoptr(GTimeZone) zone = g_time_zone_new_local();
    g_autofree char *complete = log_time_complete(string, now);
    g_autoptr(GDateTime) at = NULL;

    if (strlen(complete) > LOG_TIME_DATE_LENGTH && complete[LOG_TIME_DATE_LENGTH] == ' ')
        complete[LOG_TIME_DATE_LENGTH] = 'T';
    at = g_date_time_new_from_iso8601(complete, zone);
    if (at == NULL)
        return false;
    *ret_usec = log_time_from(at);
    return true;
}

static bool log_time_parse_ago(const char *string, uint64_t now, uint64_t *ret_usec)
{
    g_autofree char *duration = g_strdup(string);
    uint64_t usec;

    if (g_str_has_suffix(duration, " ago"))
        duration[strlen(duration) - strlen(" ago")] = '\0';
    if (!parse_duration(duration, &usec, NULL))
        return false;
    *ret_usec = usec < now ? now - usec : 1;
    return true;
}

bool log_time_parse(const char *string, uint64_t now, uint64_t *ret_usec, GError **error)
{
    uint64_t seconds;

    if (g_str_equal(string, "now")) {
        *ret_usec = now;
        return true;
    }
    if (string[0] == '@') {
        if (!parse_unsigned(string + 1, 0, INT64_MAX / USEC_PER_SEC, &seconds, NULL))
            return log_time_invalid(string, error);
        *ret_usec = MAX(seconds * USEC_PER_SEC, 1);
        return true;
    }
    if (log_time_parse_date(string, now, ret_usec) || log_time_parse_ago(string, now, ret_usec))
        return true;
    return log_time_invalid(string, error);
}
