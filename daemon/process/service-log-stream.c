/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A stream has a place in its log, and no bytes. In its turn a piece of the log is read from there
 * into a buffer that all streams share, formatted, and written to the pipe; then the place is after
 * what was written. What the pipe did not take is read and formatted again when it has room: so one
 * who never reads costs no memory. In the middle of a line that was written in part, how much of it
 * was written is kept besides; it is formatted to the same again.
 *
 * The pipe is watched for room only while there is something to do, be it a search that has nothing
 * to write yet; for a reader who has gone, always. */

#include "process/service-log-stream.h"

#include "process/service-log-internal.h"
#include "process/service-log-search.h"
#include "process/service-log-walk.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

/* Of a turn of one stream; a line that is longer is formatted nevertheless. Less where the pipe has
 * not taken all the last time: a page it always takes. */
#define STREAM_TURN_BYTES ((size_t)32 * 1024)
#define STREAM_TURN_BYTES_MIN ((size_t)4 * 1024)
/* It takes microseconds to make JSON of one. */
#define STREAM_TURN_LINES_JSON 128
#define STREAM_TURN_LINES 1024

/* Where a formatted line ends. */
typedef struct StreamMark {
    size_t out;  /* in what is to be written */
    size_t read; /* in what was read */
} StreamMark;

struct ServiceLogStreams {
    ServiceLogs *logs;
    WatchHost *watches;
    const Sys *sys;
    GQueue streams; /* of ServiceLogStream */
    /* Of the turn of one of them; NULL while there is none. */
    char *buffer; /* SERVICE_LOG_PIECE_BYTES */
    GString *out;
    GArray *marks; /* of StreamMark */
    size_t n_read; /* of the buffer, that is in out or was not meant */
};

typedef struct ServiceLogStream {
    ServiceLogStreams *streams;
    GList link;
    char *service_id;
    char *invocation;
    ServiceLogFilter filter;
    LogFormat format;
    uint32_t uid;
    int fd; /* of the pipe, to write to */
    Watch *watch;
    ServiceLogListener *listener;
    ServiceLogSearch *search; /* NULL: it is over */
    ServiceLogWalk walk;
    size_t most_out; /* of this turn */
    size_t written;  /* of the next line, formatted */
    GString *notice; /* what is to be written before that; NULL: nothing */
    char last;       /* the last byte that was written */
    bool has_end;    /* this is all: */
    uint64_t end_number;
    uint64_t end_offset;
    bool is_awake; /* the pipe is watched for room */
    bool is_idle;  /* waits for what comes */
    bool is_over;
} ServiceLogStream;

ServiceLogStreams *service_log_streams_new(ServiceLogs *logs, WatchHost *watches, const Sys *sys)
{
    ServiceLogStreams *streams = g_new0(ServiceLogStreams, 1);

    streams->logs = logs;
    streams->watches = watches;
    streams->sys = sys;
    g_queue_init(&streams->streams);
    return streams;
}

static void service_log_stream_free(ServiceLogStream *stream)
{
    ServiceLogStreams *streams = stream->streams;

    g_queue_unlink(&streams->streams, &stream->link);
    watch_free(stream->watch);
    if (stream->listener != NULL)
        service_log_unlisten(stream->listener);
    service_log_search_free(stream->search);
    if (stream->notice != NULL)
        g_string_free(stream->notice, TRUE);
    (void)fd_close(stream->walk.fd);
    (void)fd_close(stream->fd);
    g_free(stream->invocation);
    g_free(stream->service_id);
    g_free(stream);
    if (!g_queue_is_empty(&streams->streams) || streams->buffer == NULL)
        return;
    g_clear_pointer(&streams->buffer, g_free);
    g_string_free(g_steal_pointer(&streams->out), TRUE);
    g_clear_pointer(&streams->marks, g_array_unref);
}

void service_log_streams_free(ServiceLogStreams *streams)
{
    if (streams == NULL)
        return;
    while (!g_queue_is_empty(&streams->streams))
        service_log_stream_free(g_queue_peek_head(&streams->streams));
    g_free(streams);
}

/* What is said of the log itself, in the format of the log */

static void service_log_stream_tell(ServiceLogStream *stream, const char *text)
{
    g_autofree char *words = g_strconcat("svcmgr: ", text, NULL);
    ServiceLogLine line = {
            .time_usec = clock_wall_usec(stream->streams->logs->clock),
            .stream = OUTPUT_STDERR,
            .piece = OUTPUT_WHOLE,
            .invocation = "",
            .text = words,
            .length = strlen(words),
    };

    if (stream->notice == NULL)
        stream->notice = g_string_new(stream->last != '\n' ? "\n" : NULL);
    service_log_line_format(&line, stream->format, stream->notice);
}

static void service_log_stream_tell_removed(ServiceLogStream *stream, uint64_t n)
{
    g_autofree char *text =
            n == 1 ? g_strdup("1 file was removed before it was read")
                   : g_strdup_printf("%" PRIu64 " files were removed before they were read", n);

    service_log_stream_tell(stream, text);
}

static void service_log_stream_fail(ServiceLogStream *stream, int errno_value)
{
    g_autofree char *text =
            g_strdup_printf("the log cannot be read any further: %s", g_strerror(errno_value));

    service_log_stream_tell(stream, text);
    stream->is_over = true;
}

/* Reading */

static void service_log_stream_find(ServiceLogStream *stream)
{
    int r = service_log_search_step(stream->search, stream->streams->buffer);

    if (r == 0)
        return;
    if (r < 0)
        service_log_stream_fail(stream, -r);
    else
        service_log_search_get(stream->search, &stream->walk.number, &stream->walk.offset);
    g_clear_pointer(&stream->search, service_log_search_free);
}

static void service_log_stream_open_file(ServiceLogStream *stream)
{
    uint64_t last = stream->has_end ? stream->end_number : UINT64_MAX - 1;
    uint64_t wanted = stream->walk.number > last ? 0 : last - stream->walk.number + 1;
    uint64_t removed = 0;
    int r = service_log_walk_open(&stream->walk, &removed);

    if (r < 0 && r != -ENOENT) {
        service_log_stream_fail(stream, -r);
        return;
    }
    removed = MIN(removed, wanted);
    if (removed > 0)
        service_log_stream_tell_removed(stream, removed);
    stream->is_over = stream->has_end && (r < 0 || stream->walk.number > last);
    stream->is_idle = !stream->is_over && r < 0;
}

static void service_log_stream_take(ServiceLogStream *stream, const char *bytes, size_t length)
{
    ServiceLogStreams *streams = stream->streams;
    ServiceLogLine line;

    if (!service_log_filter_read(&stream->filter, bytes, length, &line))
        return;
    service_log_line_format(&line, stream->format, streams->out);
    StreamMark mark = {streams->out->len, (size_t)(bytes + length - streams->buffer)};
    g_array_append_val(streams->marks, mark);
}

/* Whole lines, as many as are good for a turn. */
static void service_log_stream_take_lines(ServiceLogStream *stream, size_t length)
{
    ServiceLogStreams *streams = stream->streams;
    unsigned most = stream->format == LOG_FORMAT_JSON ? STREAM_TURN_LINES_JSON : STREAM_TURN_LINES;

    while (streams->marks->len < most && streams->out->len < stream->most_out) {
        const char *begin = streams->buffer + streams->n_read;
        const char *newline = memchr(begin, '\n', length - streams->n_read);

        if (newline == NULL)
            return;
        service_log_stream_take(stream, begin, (size_t)(newline - begin));
        streams->n_read += (size_t)(newline + 1 - begin);
        if (streams->marks->len > 0)
            g_array_index(streams->marks, StreamMark, streams->marks->len - 1).read =
                    streams->n_read;
    }
}

/* What ends without a newline. */
static void service_log_stream_take_rest(ServiceLogStream *stream, size_t length)
{
    service_log_stream_take(stream, stream->streams->buffer, length);
    stream->streams->n_read = length;
}

/* There is no whole line in the current file: somebody may have cut it short. */
static void service_log_stream_rest_in_file(ServiceLogStream *stream)
{
    struct stat status;

    if (stream->streams->sys->fstatat(stream->walk.fd, "", &status, AT_EMPTY_PATH) < 0) {
        service_log_stream_fail(stream, errno);
    } else if ((uint64_t)status.st_size < stream->walk.offset) {
        service_log_stream_tell(stream, "the file was cut short, and is read from its beginning");
        stream->walk.offset = 0;
        stream->written = 0;
    } else {
        stream->is_idle = true;
    }
}

/* There are length bytes without a newline, or none. */
static void service_log_stream_end_file(ServiceLogStream *stream, size_t length)
{
    bool is_last = stream->has_end && stream->walk.number >= stream->end_number;
    int is_done = is_last ? 1 : service_log_walk_is_done(&stream->walk);

    if (is_done < 0) {
        service_log_stream_fail(stream, -is_done);
    } else if (is_done == 0 && !stream->has_end) {
        service_log_stream_rest_in_file(stream);
    } else if (length > 0) {
        service_log_stream_take_rest(stream, length);
    } else if (is_last || is_done == 0) {
        stream->is_over = true;
    } else {
        service_log_walk_leave(&stream->walk);
    }
}

static void service_log_stream_read(ServiceLogStream *stream)
{
    ServiceLogStreams *streams = stream->streams;
    uint64_t size = SERVICE_LOG_PIECE_BYTES;
    ssize_t n;

    if (stream->has_end && stream->walk.number >= stream->end_number)
        size = MIN(size, stream->end_offset - MIN(stream->end_offset, stream->walk.offset));
    n = sys_pread(streams->sys, stream->walk.fd, streams->buffer, (size_t)size,
                  stream->walk.offset);
    if (n < 0) {
        service_log_stream_fail(stream, errno);
        return;
    }
    service_log_stream_take_lines(stream, (size_t)n);
    if (streams->n_read > 0)
        return;
    if ((size_t)n == SERVICE_LOG_PIECE_BYTES)
        service_log_stream_take_rest(stream, (size_t)n);
    else
        service_log_stream_end_file(stream, (size_t)n);
}

/* Writing */

/* -1 and errno: not EAGAIN. */
static ssize_t service_log_stream_put(ServiceLogStream *stream, const GString *bytes, size_t from)
{
    ssize_t n;

    if (from >= bytes->len)
        return 0;
    do
        n = stream->streams->sys->write(stream->fd, bytes->str + from, bytes->len - from);
    while (n < 0 && errno == EINTR);
    if (n > 0)
        stream->last = bytes->str[from + (size_t)n - 1];
    return n < 0 && errno == EAGAIN ? 0 : n;
}

static bool service_log_stream_write_notice(ServiceLogStream *stream)
{
    ssize_t n = service_log_stream_put(stream, stream->notice, 0);

    if (n < 0)
        return false;
    g_string_erase(stream->notice, 0, n);
    if (stream->notice->len == 0) {
        g_string_free(stream->notice, TRUE);
        stream->notice = NULL;
    }
    return true;
}

/* The place is after the last line that was written whole. */
static bool service_log_stream_write_lines(ServiceLogStream *stream)
{
    const ServiceLogStreams *streams = stream->streams;
    const GString *out = streams->out;
    ssize_t n = service_log_stream_put(stream, out, stream->written);
    StreamMark whole = {0, 0};
    size_t written;

    if (n < 0)
        return false;
    written = stream->written + (size_t)n;
    for (unsigned i = 0; i < streams->marks->len; i++) {
        StreamMark mark = g_array_index(streams->marks, StreamMark, i);

        if (mark.out > written)
            break;
        whole = mark;
    }
    if (written >= out->len) /* and what comes after it is not meant */
        whole = (StreamMark){written, streams->n_read};
    stream->most_out = written < out->len ? MAX((size_t)n, STREAM_TURN_BYTES_MIN)
                                          : MIN(2 * stream->most_out, STREAM_TURN_BYTES);
    stream->walk.offset += whole.read;
    stream->written = written - whole.out;
    return true;
}

/* Turns */

static void on_service_log_stream_ready(uint32_t events, void *data);

static bool service_log_stream_watch(ServiceLogStream *stream, bool is_awake)
{
    watch_free(stream->watch);
    stream->watch = watch_new(stream->streams->watches, stream->fd, is_awake ? EPOLLOUT : 0,
                              WATCH_PRIORITY_OUTPUT, on_service_log_stream_ready, stream);
    stream->is_awake = is_awake;
    return stream->watch != NULL;
}

static void service_log_stream_switch(ServiceLogStream *stream, bool is_awake)
{
    if (stream->is_awake == is_awake || service_log_stream_watch(stream, is_awake))
        return;
    log_service(LOG_LEVEL_WARNING, stream->service_id,
                "a reader of its log is left: cannot watch the pipe to it: %s", g_strerror(errno));
    service_log_stream_free(stream);
}

/* False: nobody reads any more. */
static bool service_log_stream_turn(ServiceLogStream *stream)
{
    ServiceLogStreams *streams = stream->streams;

    if (stream->notice != NULL)
        return service_log_stream_write_notice(stream);
    g_string_truncate(streams->out, 0);
    g_array_set_size(streams->marks, 0);
    streams->n_read = 0;
    if (stream->search != NULL)
        service_log_stream_find(stream);
    else if (stream->walk.fd < 0)
        service_log_stream_open_file(stream);
    else
        service_log_stream_read(stream);
    return service_log_stream_write_lines(stream);
}

static void on_service_log_stream_ready(uint32_t events, void *data)
{
    ServiceLogStream *stream = data;

    if ((events & EPOLLERR) != 0 || !service_log_stream_turn(stream) ||
        (stream->is_over && stream->notice == NULL))
        service_log_stream_free(stream);
    else if (stream->is_idle && stream->notice == NULL)
        service_log_stream_switch(stream, false);
}

/* What is there now is all. */
static void service_log_stream_set_end(ServiceLogStream *stream, const ServiceLogRow *row)
{
    stream->has_end = true;
    stream->end_number = row->current_number;
    stream->end_offset = row->current_size;
}

/* Where it cannot be found out, the end is what is there when it gets there. */
static void service_log_stream_end_now(ServiceLogStream *stream)
{
    g_auto(ServiceLogRow) row = {0};

    if (service_log_row_look(stream->streams->logs, stream->service_id, &row) < 0)
        row.current_number = UINT64_MAX;
    service_log_stream_set_end(stream, &row);
}

static void on_service_log_stream_told(bool is_deleted, void *data)
{
    ServiceLogStream *stream = data;

    if (is_deleted && !stream->has_end)
        service_log_stream_end_now(stream);
    stream->is_idle = false;
    service_log_stream_switch(stream, true);
}

/* Beginning */

static bool service_log_stream_check_limits(const ServiceLogStreams *streams, uint32_t uid,
                                            GError **error)
{
    unsigned n = 0;

    if (g_queue_get_length((GQueue *)&streams->streams) >= SERVICE_LOG_STREAMS_MAX)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "there are %d readers of logs, which is the limit",
                         SERVICE_LOG_STREAMS_MAX);
    for (const GList *link = streams->streams.head; link != NULL; link = link->next)
        n += ((const ServiceLogStream *)link->data)->uid == uid;
    if (n >= SERVICE_LOG_STREAMS_MAX_PER_UID)
        return error_set(error, ERROR_LIMIT_EXCEEDED,
                         "user %" PRIu32 " has %d readers of logs, which is the limit", uid,
                         SERVICE_LOG_STREAMS_MAX_PER_UID);
    return true;
}

static bool service_log_stream_refuse(int errno_value, GError **error)
{
    switch (errno_value) {
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case ENOSPC:
        return error_set(error, ERROR_LIMIT_EXCEEDED, "cannot open its log: %s",
                         g_strerror(errno_value));
    default:
        return error_set_errno(error, errno_value, "cannot open its log");
    }
}

static ServiceLogStream *service_log_stream_new(ServiceLogStreams *streams, const char *service_id,
                                                const LogQuery *query)
{
    ServiceLogStream *stream = g_new0(ServiceLogStream, 1);

    stream->streams = streams;
    stream->link.data = stream;
    stream->service_id = g_strdup(service_id);
    stream->invocation = g_strdup(query->invocation);
    stream->filter = (ServiceLogFilter){query->since_usec, stream->invocation};
    stream->format = query->format;
    stream->uid = query->uid;
    stream->fd = -1;
    stream->walk = (ServiceLogWalk){streams->logs, stream->service_id, -1, 0, 0};
    stream->last = '\n';
    stream->most_out = STREAM_TURN_BYTES;
    g_queue_push_tail_link(&streams->streams, &stream->link);
    if (streams->buffer == NULL) {
        streams->buffer = g_malloc(SERVICE_LOG_PIECE_BYTES);
        streams->out = g_string_new(NULL);
        streams->marks = g_array_new(FALSE, FALSE, sizeof(StreamMark));
    }
    return stream;
}

/* 0 or negative errno. The reader's end is his to block on, or not. */
static int service_log_stream_connect(ServiceLogStream *stream, int *ret_fd)
{
    int fds[2];

    if (stream->streams->sys->pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    stream->fd = fds[1];
    if (fcntl(stream->fd, F_SETFL, O_NONBLOCK) < 0 || !service_log_stream_watch(stream, true)) {
        int r = -errno;

        (void)fd_close(fds[0]);
        return r;
    }
    *ret_fd = fds[0];
    return 0;
}

int service_log_stream_open(ServiceLogStreams *streams, const char *service_id,
                            const LogQuery *query, GError **error)
{
    g_auto(ServiceLogRow) row = {0};
    ServiceLogStream *stream;
    int fd = -1, r;

    if (!service_log_stream_check_limits(streams, query->uid, error))
        return -1;
    r = service_log_row_look(streams->logs, service_id, &row);
    if (r < 0) {
        (void)service_log_stream_refuse(-r, error);
        return -1;
    }
    stream = service_log_stream_new(streams, service_id, query);
    r = service_log_stream_connect(stream, &fd);
    if (r < 0) {
        service_log_stream_free(stream);
        (void)service_log_stream_refuse(-r, error);
        return -1;
    }
    if (query->follow)
        stream->listener =
                service_log_listen(streams->logs, service_id, on_service_log_stream_told, stream);
    else
        service_log_stream_set_end(stream, &row);
    stream->search = service_log_search_new(streams->logs, stream->service_id, &stream->filter,
                                            query->lines, &row);
    return fd;
}
