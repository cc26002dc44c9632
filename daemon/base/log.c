/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One entry, one datagram or one write. The journal is used only when JOURNAL_STREAM names the very
 * file that standard error is (systemd.exec(5)), so that a redirected daemon logs where it was
 * told to. A line is at most PIPE_BUF long: it cannot interleave with other writers, and poll(2)
 * saying that a pipe is writable means that the whole line fits. A reader that stalls costs lines,
 * not the loop; their number is told once it reads again. */

#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#define LOG_LINE_MAX_BYTES 4096
#define LOG_PATIENCE_MSEC 100

typedef struct LogEntry {
    LogLevel level;
    const char *file;
    int line;
    const char *function;
    const char *service;
    const char *const *fields;
    const char *text; /* escaped, with the service in front */
} LogEntry;

static struct {
    LogLevel level;
    bool use_journal;
    unsigned n_dropped; /* since the last line that got through */
    LogSink sink;
    void *sink_data;
} log_state = {.level = LOG_LEVEL_INFO};

static const char *const log_level_names[] = {
        [LOG_LEVEL_ERROR] = "error", [LOG_LEVEL_WARNING] = "warning", [LOG_LEVEL_NOTICE] = "notice",
        [LOG_LEVEL_INFO] = "info",   [LOG_LEVEL_DEBUG] = "debug",
};

bool log_level_from_string(const char *string, LogLevel *ret_level)
{
    for (int i = LOG_LEVEL_ERROR; string != NULL && i <= LOG_LEVEL_DEBUG; i++) {
        if (!g_str_equal(log_level_names[i], string))
            continue;
        *ret_level = (LogLevel)i;
        return true;
    }
    return false;
}

const char *log_level_to_string(LogLevel level)
{
    g_assert(level >= LOG_LEVEL_ERROR && level <= LOG_LEVEL_DEBUG);
    return log_level_names[level];
}

/* JOURNAL_STREAM is "DEVICE:INODE", both decimal: systemd.exec(5). */
static bool log_stderr_is_journal(void)
{
    const char *stream = g_getenv("JOURNAL_STREAM");
    struct stat status;

    if (stream == NULL || fstat(STDERR_FILENO, &status) < 0)
        return false;

    g_autofree char *own =
            g_strdup_printf("%ju:%ju", (uintmax_t)status.st_dev, (uintmax_t)status.st_ino);
    return g_str_equal(stream, own);
}

void log_init(LogLevel level)
{
    log_state.level = level;
    log_state.use_journal = log_stderr_is_journal();
}

void log_set_level(LogLevel level)
{
    log_state.level = level;
}

LogLevel log_get_level(void)
{
    return log_state.level;
}

void log_set_sink(LogSink sink, void *data)
{
    log_state.sink = sink;
    log_state.sink_data = data;
}

/* How much of it is ASCII that needs nothing: most is all of it, and for that the tables of Unicode
 * need not be in memory. */
static size_t log_plain_length(const char *string)
{
    size_t length = 0;

    while (string[length] >= ' ' && string[length] < 0x7f)
        length++;
    return length;
}

/* Control characters (C0, DEL and C1) and bytes that are not UTF-8 become \n, \t or \xNN. */
static void log_append_escaped(GString *text, const char *string)
{
    for (;;) {
        size_t n_plain = log_plain_length(string);
        g_string_append_len(text, string, (gssize)n_plain);
        string += n_plain;
        if (*string == '\0')
            return;

        gunichar c = g_utf8_get_char_validated(string, -1);
        bool valid = c != (gunichar)-1 && c != (gunichar)-2;
        size_t n_bytes = valid ? (size_t)(g_utf8_next_char(string) - string) : 1;

        if (valid && !g_unichar_iscntrl(c))
            g_string_append_len(text, string, (gssize)n_bytes);
        else if (c == '\n' || c == '\t')
            g_string_append(text, c == '\n' ? "\\n" : "\\t");
        else
            for (size_t i = 0; i < n_bytes; i++)
                g_string_append_printf(text, "\\x%02x", (unsigned char)string[i]);
        string += n_bytes;
    }
}

static char *log_compose_text(const char *service, const char *message)
{
    GString *text = g_string_new(NULL);

    if (service != NULL) {
        g_string_append(text, "service '");
        log_append_escaped(text, service);
        g_string_append(text, "': ");
    }
    log_append_escaped(text, message);
    return g_string_free(text, FALSE);
}

static bool log_to_journal(const LogEntry *entry)
{
    g_autoptr(GPtrArray) fields = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GArray) vector = g_array_new(FALSE, FALSE, sizeof(struct iovec));

    g_ptr_array_add(fields, g_strdup_printf("MESSAGE=%s", entry->text));
    g_ptr_array_add(fields, g_strdup_printf("PRIORITY=%d", (int)entry->level));
    g_ptr_array_add(fields, g_strdup_printf("CODE_FILE=%s", entry->file));
    g_ptr_array_add(fields, g_strdup_printf("CODE_LINE=%d", entry->line));
    g_ptr_array_add(fields, g_strdup_printf("CODE_FUNC=%s", entry->function));
    if (entry->service != NULL)
        g_ptr_array_add(fields, g_strdup_printf("SVCMGR_SERVICE=%s", entry->service));
    for (const char *const *pair = entry->fields; pair != NULL && pair[0] != NULL; pair += 2)
        g_ptr_array_add(fields, g_strdup_printf("%s=%s", pair[0], pair[1]));

    for (unsigned i = 0; i < fields->len; i++) {
        char *field = g_ptr_array_index(fields, i);
        struct iovec part = {.iov_base = field, .iov_len = strlen(field)};

        g_array_append_val(vector, part);
    }
    return sd_journal_sendv((const struct iovec *)(void *)vector->data, (int)vector->len) >= 0;
}

/* "2026-11-21 12:00:00.123 ", local time. */
static void log_append_time(GString *line)
{
    struct timespec now;
    struct tm local;
    char text[64];

    if (clock_gettime(CLOCK_REALTIME, &now) < 0 || localtime_r(&now.tv_sec, &local) == NULL ||
        strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &local) == 0)
        return;
    g_string_append_printf(line, "%s.%03ld ", text, now.tv_nsec / 1000000);
}

/* Cuts between characters, so that the line stays UTF-8, and ends it. */
static void log_end_line(GString *line)
{
    static const char cut[] = "...";
    size_t end = LOG_LINE_MAX_BYTES - strlen(cut) - 1;

    if (line->len >= LOG_LINE_MAX_BYTES) {
        while (((unsigned char)line->str[end] & 0xc0) == 0x80)
            end--;
        g_string_truncate(line, end);
        g_string_append(line, cut);
    }
    g_string_append_c(line, '\n');
}

static bool log_write(const GString *line)
{
    struct pollfd target = {.fd = STDERR_FILENO, .events = POLLOUT};
    ssize_t n;

    if (poll(&target, 1, log_state.n_dropped > 0 ? 0 : LOG_PATIENCE_MSEC) <= 0 ||
        target.revents != POLLOUT)
        return false; /* stalled, or nobody there: writing would only raise SIGPIPE */
    do
        n = write(STDERR_FILENO, line->str, line->len);
    while (n < 0 && errno == EINTR);
    return n >= 0;
}

static bool log_write_line(LogLevel level, const char *text)
{
    g_autoptr(GString) line = g_string_new(NULL);

    log_append_time(line);
    g_string_append_printf(line, "%s[%s]: %s", program_invocation_short_name,
                           log_level_to_string(level), text);
    log_end_line(line);
    return log_write(line);
}

static void log_to_stderr(const LogEntry *entry)
{
    if (log_state.n_dropped > 0) {
        g_autofree char *loss = g_strdup_printf(
                "log lines lost, since nobody read them in time: %u", log_state.n_dropped);

        if (log_write_line(LOG_LEVEL_WARNING, loss))
            log_state.n_dropped = 0;
    }
    if (log_state.n_dropped > 0 || !log_write_line(entry->level, entry->text))
        log_state.n_dropped++;
}

void log_full(LogLevel level, const char *file, int line, const char *function, const char *service,
              const char *const *fields, const char *format, ...)
{
    int saved_errno = errno;
    va_list args;

    if (level > log_state.level)
        return;
    va_start(args, format);
    g_autofree char *message = g_strdup_vprintf(format, args);
    va_end(args);

    if (log_state.sink != NULL) {
        log_state.sink(level, service, message, log_state.sink_data);
    } else {
        g_autofree char *text = log_compose_text(service, message);
        LogEntry entry = {level, file, line, function, service, fields, text};

        if (!log_state.use_journal || !log_to_journal(&entry))
            log_to_stderr(&entry);
    }
    errno = saved_errno;
}
