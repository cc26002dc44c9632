/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Says numbered lines, so that whoever has them afterwards sees whether one is missing, damaged,
 * said twice or out of order: "o RUN NUMBER FILLER ADLER32", "e ..." on standard error. RUN is the
 * number of the start (1, or as the record has it), NUMBER counts from 1 on each stream, ADLER32 is
 * of all before it in eight hexadecimal digits. "program-writer WORD...". Words: lines N       so
 * many on each stream, then it ends; without: until it is killed length N      bytes of each, with
 * its newline (100); at least 64 rate N        so many a second on each stream; without: as fast as
 * they are taken chunk N       written in pieces of N bytes; without: each line at once stderr,
 * both  where to, instead of standard output binary        FILLER has every byte but the newline
 *   cut           the last line has no newline
 *   record FILE   keeps there, through any end, how many starts there were and how much of each run
 *                 has been written: 64-bit numbers, the starts; then for each run, the whole lines
 *                 on standard output and on standard error
 *   starts N      from start N on all the following is forgotten: it exits with 0
 *   kill USEC     the kernel kills it after that time, wherever it is
 *   sigkill       it kills itself at the end
 *   status N      it exits with that
 *   stay          at the end it stays
 *   orphan        a child of it writes, and it exits at once, with 0
 *   term N        SIGTERM does not end it, but it says N lines more, and that is the end
 * It ends with its test (stay.h). */

#include "stay.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define LENGTH_MIN 64
#define RUNS_MAX 4096
#define CHECK_LENGTH 8
#define FILLER_PERIOD 255
#define NSEC_PER_SEC UINT64_C(1000000000)

typedef struct Record {
    uint64_t starts;
    uint64_t lines[RUNS_MAX][2];
} Record;

typedef struct Wishes {
    uint64_t lines, length, rate, chunk, starts, kill_usec, status, term;
    uint64_t to_stderr, both, binary, cut, sigkill, stay, orphan; /* 0 or 1 */
    const char *record;
} Wishes;

typedef struct Stream {
    int fd;
    char letter;
    char *buffer; /* what is not written yet */
    size_t n;
    uint64_t said;
    uint64_t written_bytes;
    uint64_t *record;
} Stream;

static const struct {
    const char *word;
    size_t offset;
    bool has_value;
} words[] = {
        {"lines", offsetof(Wishes, lines), true},   {"length", offsetof(Wishes, length), true},
        {"rate", offsetof(Wishes, rate), true},     {"chunk", offsetof(Wishes, chunk), true},
        {"starts", offsetof(Wishes, starts), true}, {"kill", offsetof(Wishes, kill_usec), true},
        {"status", offsetof(Wishes, status), true}, {"stderr", offsetof(Wishes, to_stderr), false},
        {"both", offsetof(Wishes, both), false},    {"binary", offsetof(Wishes, binary), false},
        {"cut", offsetof(Wishes, cut), false},      {"sigkill", offsetof(Wishes, sigkill), false},
        {"stay", offsetof(Wishes, stay), false},    {"orphan", offsetof(Wishes, orphan), false},
        {"term", offsetof(Wishes, term), true},
};

static char filler[2][2 * FILLER_PERIOD]; /* of letters; of all bytes */
static uint64_t run = 1;
static volatile sig_atomic_t is_told_to_end;

static void prepare_filler(void)
{
    for (unsigned i = 0; i < 2 * FILLER_PERIOD; i++) {
        filler[0][i] = (char)('a' + i % 26);
        filler[1][i] = (char)(i % FILLER_PERIOD < '\n' ? i % FILLER_PERIOD : i % FILLER_PERIOD + 1);
    }
}

/* RFC 1950. A sum of so few bytes does not overflow before it is divided. */
static uint32_t adler32(const char *bytes, size_t length)
{
    uint32_t a = 1, b = 0;

    while (length > 0) {
        size_t n = length < 5552 ? length : 5552;

        for (size_t i = 0; i < n; i++) {
            a += (unsigned char)bytes[i];
            b += a;
        }
        a %= 65521;
        b %= 65521;
        bytes += n;
        length -= n;
    }
    return b << 16 | a;
}

static void make_line(const Wishes *wishes, const Stream *stream, char *line)
{
    size_t end = wishes->length - CHECK_LENGTH - 1;
    char head[LENGTH_MIN], check[CHECK_LENGTH + 1];
    size_t at = (size_t)snprintf(head, sizeof head, "%c %llu %llu ", stream->letter,
                                 (unsigned long long)run, (unsigned long long)stream->said);
    size_t shift = stream->said % FILLER_PERIOD;

    memcpy(line, head, at);
    while (at < end - 1) {
        size_t n = end - 1 - at < FILLER_PERIOD ? end - 1 - at : FILLER_PERIOD;

        memcpy(line + at, filler[wishes->binary] + shift, n);
        at += n;
    }
    line[at++] = ' ';
    (void)snprintf(check, sizeof check, "%08x", adler32(line, end));
    memcpy(line + end, check, CHECK_LENGTH);
    line[end + CHECK_LENGTH] = '\n';
}

static void write_piece(const Wishes *wishes, Stream *stream, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t n = write(stream->fd, bytes, length);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            exit(90);
        stream->written_bytes += (size_t)n;
        if (stream->record != NULL)
            *stream->record = stream->written_bytes / wishes->length;
        bytes += n;
        length -= (size_t)n;
    }
}

static void write_out(const Wishes *wishes, Stream *stream, bool is_end)
{
    size_t chunk = wishes->chunk > 0 ? wishes->chunk : wishes->length, at = 0;

    for (; stream->n - at >= chunk; at += chunk)
        write_piece(wishes, stream, stream->buffer + at, chunk);
    if (is_end) {
        write_piece(wishes, stream, stream->buffer + at, stream->n - at);
        at = stream->n;
    }
    stream->n -= at;
    if (at > 0)
        memmove(stream->buffer, stream->buffer + at, stream->n);
}

static void say_line(const Wishes *wishes, Stream *stream)
{
    stream->said++;
    make_line(wishes, stream, stream->buffer + stream->n);
    stream->n += wishes->length;
    if (wishes->cut && stream->said == wishes->lines)
        stream->n--;
    write_out(wishes, stream, false);
}

static void await_turn(const Wishes *wishes, struct timespec *began, uint64_t n)
{
    uint64_t after_nsec = n * NSEC_PER_SEC / wishes->rate + (uint64_t)began->tv_nsec;
    struct timespec turn = {.tv_sec = began->tv_sec + (time_t)(after_nsec / NSEC_PER_SEC),
                            .tv_nsec = (long)(after_nsec % NSEC_PER_SEC)};

    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &turn, NULL) == EINTR && !is_told_to_end)
        continue;
}

static void say_all(const Wishes *wishes, Stream *streams, int n_streams)
{
    struct timespec began;

    (void)clock_gettime(CLOCK_MONOTONIC, &began);
    for (uint64_t n = 0; (wishes->lines == 0 || n < wishes->lines) && !is_told_to_end; n++) {
        if (wishes->rate > 0 && n > 0)
            await_turn(wishes, &began, n);
        for (int i = 0; i < n_streams; i++)
            say_line(wishes, &streams[i]);
    }
    for (uint64_t n = 0; is_told_to_end && n < wishes->term; n++) {
        for (int i = 0; i < n_streams; i++)
            say_line(wishes, &streams[i]);
    }
    for (int i = 0; i < n_streams; i++)
        write_out(wishes, &streams[i], true);
}

static Record *open_record(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0 || ftruncate(fd, sizeof(Record)) < 0)
        exit(91);
    Record *record = mmap(NULL, sizeof(Record), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (record == MAP_FAILED || record->starts == RUNS_MAX)
        exit(92);
    (void)close(fd);
    run = ++record->starts;
    return record;
}

static void open_stream(const Wishes *wishes, Record *record, int fd, Stream *ret_stream)
{
    *ret_stream = (Stream){
            .fd = fd,
            .letter = fd == STDOUT_FILENO ? 'o' : 'e',
            .buffer = malloc(wishes->chunk + 2 * wishes->length),
            .record = record != NULL ? &record->lines[run - 1][fd - STDOUT_FILENO] : NULL,
    };
    if (ret_stream->buffer == NULL)
        exit(93);
}

static void on_term(int signo)
{
    (void)signo;
    is_told_to_end = 1;
}

static void kill_after(uint64_t usec)
{
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGKILL};
    const struct itimerspec when = {.it_value = {.tv_sec = (time_t)(usec / 1000000),
                                                 .tv_nsec = (long)(usec % 1000000 * 1000)}};
    timer_t timer;

    if (timer_create(CLOCK_MONOTONIC, &event, &timer) < 0 ||
        timer_settime(timer, 0, &when, NULL) < 0)
        exit(94);
}

/* False: there is no such word, or its value is missing. */
static bool take_word(Wishes *wishes, char ***argv)
{
    const char *word = *(*argv)++;

    if (strcmp(word, "record") == 0) {
        wishes->record = *(*argv)++;
        return wishes->record != NULL;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        uint64_t *wish = (uint64_t *)(void *)((char *)wishes + words[i].offset);

        if (strcmp(word, words[i].word) != 0)
            continue;
        if (words[i].has_value && **argv == NULL)
            return false;
        *wish = words[i].has_value ? strtoull(*(*argv)++, NULL, 10) : 1;
        return true;
    }
    return false;
}

static void end(const Wishes *wishes)
{
    if (wishes->stay)
        stay();
    if (wishes->sigkill)
        (void)raise(SIGKILL);
    exit((int)wishes->status);
}

int main(int argc, char **argv)
{
    Wishes wishes = {.length = 100};
    Stream streams[2];
    int n_streams = 0;

    for (char **at = argv + (argc > 0); *at != NULL;) {
        if (!take_word(&wishes, &at))
            return 95;
    }
    if (wishes.length < LENGTH_MIN)
        return 96;
    prepare_filler();
    Record *record = wishes.record != NULL ? open_record(wishes.record) : NULL;
    if (wishes.starts > 0 && run >= wishes.starts)
        wishes.kill_usec = wishes.sigkill = wishes.status = wishes.stay = wishes.orphan = 0;
    if (wishes.term > 0)
        (void)signal(SIGTERM, on_term);
    if (wishes.orphan && fork() != 0)
        return 0;
    stay_begin();
    if (wishes.kill_usec > 0)
        kill_after(wishes.kill_usec);
    if (!wishes.to_stderr)
        open_stream(&wishes, record, STDOUT_FILENO, &streams[n_streams++]);
    if (wishes.to_stderr || wishes.both)
        open_stream(&wishes, record, STDERR_FILENO, &streams[n_streams++]);
    say_all(&wishes, streams, n_streams);
    end(&wishes);
}
