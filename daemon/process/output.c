/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A run has a pipe for each stream, made before its program and closed here as soon as that has
 * them. What the run has is let go of when it is over; a pipe that somebody still writes to keeps
 * the rest alive. */

#include "process/output.h"

#include "base/errors.h"
#include "base/fds.h"
#include "base/log.h"
#include "process/output-internal.h"
#include "process/output-pipes.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

static const char *const output_target_names[_OUTPUT_TARGET_MAX] = {
        [OUTPUT_FILE] = "file",
        [OUTPUT_JOURNAL] = "journal",
        [OUTPUT_INHERIT] = "inherit",
        [OUTPUT_NULL] = "null",
};
ENUM_TABLE_DEFINE(OutputTarget, output_target, output_target_names)

Output *output_make(ProcessHost *host, const char *service_id, const char *invocation_id,
                    ServiceLog *log)
{
    size_t id_size = service_id != NULL ? strlen(service_id) + 1 : 1;
    Output *output = g_malloc0(sizeof(Output) + id_size);

    output->host = host;
    output->log = log;
    output->n_refs = 1;
    output->ends = (OutputEnds){-1, -1};
    output->link.data = output;
    for (int i = 0; i < _OUTPUT_STREAM_MAX; i++)
        output->pipes[i] = (OutputPipe){.fd = -1, .stream = (uint8_t)i};
    g_strlcpy(output->invocation, invocation_id, sizeof output->invocation);
    if (service_id != NULL)
        memcpy(output->service_id, service_id, id_size);
    return output;
}

Output *output_ref(Output *output)
{
    output->n_refs++;
    return output;
}

void output_unref(Output *output)
{
    if (--output->n_refs > 0)
        return;
    service_log_close(output->log);
    g_free(output);
}

/* Both ends are ours until the program has its own. */
static bool output_open_pipe(Output *output, OutputStream stream, int *ret_writing)
{
    int reading, writing;
    int r = output_pipe_make(output->host->sys, &reading, &writing);

    if (r < 0) {
        errno = -r;
        return false;
    }
    *ret_writing = writing;
    return output_reader_add(output, stream, reading);
}

static bool output_open_file(Output *output, GError **error)
{
    output->owns_ends = true;
    if (output_open_pipe(output, OUTPUT_STDOUT, &output->ends.stdout_fd) &&
        output_open_pipe(output, OUTPUT_STDERR, &output->ends.stderr_fd))
        return true;
    return error_set_errno(error, errno, "cannot open a pipe for its output");
}

static bool output_open_inherit(Output *output, GError **error)
{
    return true;
}

static bool output_open_null(Output *output, GError **error)
{
    int fd = output_reader_null_fd(output->host->output);

    if (fd < 0)
        return error_set_errno(error, fd, "cannot open /dev/null for its output");
    output->ends = (OutputEnds){fd, fd};
    return true;
}

/* One stream for both, so that they keep their order. */
static bool output_open_journal(Output *output, GError **error)
{
    int fd = output_journal_open(output->host->sys, output->service_id);

    if (fd < 0)
        return error_set_errno(error, fd, "cannot open a stream of the journal");
    output->owns_ends = true;
    output->ends = (OutputEnds){fd, fd};
    return true;
}

typedef bool (*OutputOpen)(Output *output, GError **error);
static const OutputOpen output_opens[_OUTPUT_TARGET_MAX] = {
        [OUTPUT_FILE] = output_open_file,
        [OUTPUT_JOURNAL] = output_open_journal,
        [OUTPUT_INHERIT] = output_open_inherit,
        [OUTPUT_NULL] = output_open_null,
};

static Output *output_open(ProcessHost *host, const char *service_id, const char *invocation_id,
                           OutputTarget target, const OutputSpec *spec, GError **error)
{
    ServiceLog *log =
            target == OUTPUT_FILE ? service_log_open(host->logs, service_id, &spec->rules) : NULL;
    Output *output = output_make(host, service_id, invocation_id, log);

    output->has_no_timestamps = spec->has_no_timestamps;
    if (output_opens[target](output, error))
        return output;
    output_release(output);
    return NULL;
}

static OutputTarget output_choose_target(const ProcessHost *host, const char *service_id,
                                         const OutputSpec *spec)
{
    return host->logs == NULL || service_id == NULL ? OUTPUT_INHERIT : spec->target;
}

Output *output_new(ProcessHost *host, const char *service_id, const char *invocation_id,
                   const OutputSpec *spec, GError **error)
{
    OutputTarget target = output_choose_target(host, service_id, spec);
    g_autoptr(GError) why = NULL;
    Output *output = output_open(host, service_id, invocation_id, target, spec, &why);

    if (output == NULL && target == OUTPUT_JOURNAL) {
        if (output_reader_misses_journal(host->output))
            log_warning("%s; what is meant for the journal goes to files", why->message);
        g_clear_error(&why);
        output = output_open(host, service_id, invocation_id, OUTPUT_FILE, spec, &why);
    }
    if (output == NULL)
        g_propagate_error(error, g_steal_pointer(&why));
    return output;
}

OutputEnds output_ends(const Output *output)
{
    return output->ends;
}

bool output_is_kept(const Output *output)
{
    return output->log != NULL;
}

bool output_would_be_kept(const ProcessHost *host, OutputTarget target)
{
    return host->logs != NULL && (target == OUTPUT_FILE ||
                                  (target == OUTPUT_JOURNAL && !output_journal_answers(host->sys)));
}

void output_give_to(const Output *output, uid_t uid, gid_t gid)
{
    if (output->n_open == 0)
        return;
    if (fchown(output->ends.stdout_fd, uid, gid) < 0 ||
        fchown(output->ends.stderr_fd, uid, gid) < 0)
        return; /* he can still write to what he is given */
}

void output_close_writing(Output *output)
{
    OutputEnds ends = output->ends;

    output->ends = (OutputEnds){-1, -1};
    if (!output->owns_ends)
        return;
    (void)fd_close(ends.stdout_fd);
    if (ends.stderr_fd != ends.stdout_fd)
        (void)fd_close(ends.stderr_fd);
}

void output_set_rules(Output *output, const ServiceLogRules *rules)
{
    if (output->log == NULL)
        return;
    /* The same object, and so the same file. */
    service_log_close(service_log_open(output->host->logs, output->service_id, rules));
}

void output_drain(Output *output)
{
    if (output->n_open > 0)
        output_reader_drain(output);
}

/* Where nobody else writes that closes them. */
void output_release(Output *output)
{
    if (output == NULL)
        return;
    output_close_writing(output);
    output_drain(output);
    if (output->n_open > 0)
        output_reader_leave(output);
    output_unref(output);
}
