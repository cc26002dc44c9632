/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The flag that keeps a reader from waiting belongs to its end alone: who writes must wait when the
 * pipe is full, and never see an error that he has not asked for. */

#include "process/output-pipes.h"

#include "base/errors.h"
#include "base/fds.h"
#include "process/output-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OUTPUT_INVOCATION_DIGITS 32

static const char *const output_pipe_prefixes[_OUTPUT_STREAM_MAX] = {
        [OUTPUT_STDOUT] = "out:",
        [OUTPUT_STDERR] = "err:",
};

char *output_pipe_name_to_string(const OutputPipeName *name)
{
    return g_strconcat(output_pipe_prefixes[name->stream], name->invocation, ":", name->service_id,
                       NULL);
}

bool output_pipe_name_parse(char *string, OutputPipeName *ret_name)
{
    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++) {
        char *invocation = string + strlen(output_pipe_prefixes[i]);

        if (!g_str_has_prefix(string, output_pipe_prefixes[i]))
            continue;
        if (strspn(invocation, "0123456789abcdef") != OUTPUT_INVOCATION_DIGITS ||
            invocation[OUTPUT_INVOCATION_DIGITS] != ':' ||
            invocation[OUTPUT_INVOCATION_DIGITS + 1] == '\0')
            return false;
        invocation[OUTPUT_INVOCATION_DIGITS] = '\0';
        *ret_name = (OutputPipeName){
                .service_id = invocation + OUTPUT_INVOCATION_DIGITS + 1,
                .invocation = invocation,
                .stream = (OutputStream)i,
        };
        return true;
    }
    return false;
}

/* Where the daemon has no standard descriptors of its own, their numbers are not for pipes. */
static bool output_pipe_move_up(int *fd)
{
    if (*fd > STDERR_FILENO)
        return true;

    int moved = fcntl(*fd, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
    if (moved < 0)
        return false;
    *fd = (fd_close(*fd), moved);
    return true;
}

int output_pipe_make(const Sys *sys, int *ret_read_fd, int *ret_write_fd)
{
    int fds[2];

    if (sys->pipe2(fds, O_CLOEXEC) < 0)
        return -errno;

    autofd int reading = fds[0], writing = fds[1];
    if (!output_pipe_move_up(&reading) || !output_pipe_move_up(&writing) ||
        fcntl(reading, F_SETFL, O_NONBLOCK) < 0)
        return -errno;
    *ret_read_fd = fd_steal(&reading);
    *ret_write_fd = fd_steal(&writing);
    return 0;
}

typedef struct OutputHandOver {
    void (*func)(const char *name, int fd, void *data);
    void *data;
} OutputHandOver;

static void on_output_hand_over(Output *output, void *data)
{
    const OutputHandOver *hand_over = data;

    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++) {
        const OutputPipeName parts = {output->service_id, output->invocation, (OutputStream)i};

        if (output->pipes[i].fd < 0)
            continue;
        g_autofree char *name = output_pipe_name_to_string(&parts);
        hand_over->func(name, output_reader_take(output, &output->pipes[i]), hand_over->data);
    }
}

void output_pipes_hand_over(ProcessHost *host, void (*func)(const char *name, int fd, void *data),
                            void *data)
{
    OutputHandOver hand_over = {func, data};

    if (host->output != NULL)
        output_reader_foreach(host->output, on_output_hand_over, &hand_over);
}

/* Who gave it may have given anything. */
static bool output_pipe_is_one(int fd)
{
    struct stat status;
    int flags = fcntl(fd, F_GETFL);

    return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode) && flags >= 0 &&
           (flags & O_ACCMODE) == O_RDONLY && fcntl(fd, F_SETFL, O_NONBLOCK) == 0 &&
           fcntl(fd, F_SETFD, FD_CLOEXEC) == 0;
}

bool output_pipes_adopt(ProcessHost *host, const char *name, int fd, GError **error)
{
    autofd int given = fd;
    g_autofree char *text = g_strdup(name);
    OutputPipeName parts;

    if (host->logs == NULL)
        return error_set(error, ERROR_FAILED, "no logs are kept here, '%s' cannot be read", name);
    if (!output_pipe_name_parse(text, &parts))
        return error_set(error, ERROR_INVALID_ARGS,
                         "expected \"out:INVOCATION:ID\" or \"err:INVOCATION:ID\", got '%s'", name);
    if (!output_pipe_is_one(given))
        return error_set(error, ERROR_INVALID_ARGS, "'%s' is not the reading end of a pipe", name);

    Output *output = output_make(host, parts.service_id, parts.invocation,
                                 service_log_open(host->logs, parts.service_id, NULL));
    bool is_read = output_reader_add(output, parts.stream, fd_steal(&given));
    if (!is_read)
        error_set_errno(error, errno, "cannot watch pipe '%s'", name);
    output_unref(output);
    return is_read;
}
