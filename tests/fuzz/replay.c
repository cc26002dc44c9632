/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A target as an ordinary test, for every compiler: all of its corpus, and some thousand mutations
 * of it, or many more with SVCMGR_TEST_LONG=1. An input that breaks the target is printed, so that
 * it can become a file of the corpus. */

#include "fuzz.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define REPLAY_MUTATIONS 4000
#define REPLAY_MUTATIONS_LONG 100000
#define REPLAY_STEPS_MAX 8 /* of one mutation */
#define REPLAY_MAX_BYTES 8192

static GPtrArray *replay_corpus;         /* of GBytes */
static const GByteArray *replay_current; /* what the target is looking at */

/* The sanitizers' own way to be told, where there is one. */
void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

static void on_replay_death(void)
{
    static const char digits[] = "0123456789abcdef";
    char byte[] = "\\x00";

    if (replay_current == NULL)
        return;
    (void)!write(STDERR_FILENO, "input: ", 7); /* nobody left to tell */
    for (unsigned i = 0; i < replay_current->len; i++) {
        byte[2] = digits[replay_current->data[i] >> 4];
        byte[3] = digits[replay_current->data[i] & 15];
        (void)!write(STDERR_FILENO, byte, 4);
    }
    (void)!write(STDERR_FILENO, "\n", 1);
}

static void on_replay_signal(int signo)
{
    (void)signal(signo, SIG_DFL);
    on_replay_death();
    (void)raise(signo);
}

/* In memory of exactly that size. Not GLib's: for no bytes that is NULL. */
static void replay_run(const GByteArray *input)
{
    uint8_t *data = malloc(input->len);

    g_assert_nonnull(data);
    if (input->len > 0)
        memcpy(data, input->data, input->len);

    replay_current = input;
    g_assert_cmpint(LLVMFuzzerTestOneInput(data, input->len), ==, 0);
    replay_current = NULL;
    free(data);
}

/* The corpus */

static int replay_compare(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* In the order of names, so that the same seed is the same run. */
static void replay_load(const char *directory)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDir) dir = g_dir_open(directory, 0, &error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);

    g_assert_no_error(error);
    replay_corpus = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
    for (const char *name; (name = g_dir_read_name(dir)) != NULL;)
        g_ptr_array_add(names, g_strdup(name));
    g_ptr_array_sort(names, replay_compare);
    for (unsigned i = 0; i < names->len; i++) {
        g_autofree char *path = g_build_filename(directory, names->pdata[i], NULL);
        char *text = NULL;
        size_t length;

        g_assert_true(g_file_get_contents(path, &text, &length, &error));
        g_ptr_array_add(replay_corpus, g_bytes_new_take(text, length));
    }
    g_assert_cmpuint(replay_corpus->len, >, 0);
}

static GByteArray *replay_copy(unsigned index)
{
    GBytes *bytes = g_ptr_array_index(replay_corpus, index);
    size_t length;
    const uint8_t *data = g_bytes_get_data(bytes, &length);

    return g_byte_array_append(g_byte_array_new(), data, (unsigned)length);
}

static unsigned replay_random(unsigned below)
{
    return below > 0 ? (unsigned)g_test_rand_int_range(0, (int)below) : 0;
}

/* Mutations */

static void replay_flip(GByteArray *input, unsigned at)
{
    input->data[at] ^= (uint8_t)(1U << replay_random(8));
}

static void replay_set(GByteArray *input, unsigned at)
{
    static const uint8_t telling[] = {0,   1,   '\t', '\n', '\r', ' ',  '"',  '#',  '%',  '\'', '*',
                                      '+', ',', '-',  '.',  '/',  '0',  '9',  ':',  '=',  '?',  '[',
                                      ']', 'e', '\\', '{',  '}',  0x7f, 0x80, 0xc2, 0xe2, 0xff};

    input->data[at] = telling[replay_random(G_N_ELEMENTS(telling))];
}

static void replay_remove(GByteArray *input, unsigned at)
{
    g_byte_array_remove_range(input, at, 1 + replay_random(MIN(input->len - at, 16)));
}

static void replay_cut(GByteArray *input, unsigned at)
{
    g_byte_array_set_size(input, at);
}

static void replay_insert(GByteArray *input, unsigned at, const uint8_t *data, unsigned size)
{
    unsigned rest = input->len - at;
    g_autofree uint8_t *copy = g_memdup2(data, size); /* it may be of the same array */

    g_byte_array_set_size(input, input->len + size);
    memmove(input->data + at + size, input->data + at, rest);
    memcpy(input->data + at, copy, size);
}

static void replay_repeat(GByteArray *input, unsigned at)
{
    unsigned size = 1 + replay_random(MIN(input->len - at, 64));

    for (unsigned n = 1 + replay_random(8); n > 0 && input->len < REPLAY_MAX_BYTES; n--)
        replay_insert(input, at, input->data + at, size);
}

static void replay_splice(GByteArray *input, unsigned at)
{
    g_autoptr(GByteArray) other = replay_copy(replay_random(replay_corpus->len));
    unsigned from = replay_random(other->len);

    if (other->len > 0 && input->len < REPLAY_MAX_BYTES)
        replay_insert(input, at, other->data + from, 1 + replay_random(other->len - from));
}

/* Each is given a place in an input that is not empty. */
static void (*const replay_mutations[])(GByteArray *input, unsigned at) = {
        replay_flip, replay_flip,   replay_set,    replay_set,
        replay_cut,  replay_remove, replay_repeat, replay_splice,
};

/* The tests */

static void test_corpus(void)
{
    for (unsigned i = 0; i < replay_corpus->len; i++) {
        g_autoptr(GByteArray) input = replay_copy(i);

        replay_run(input);
    }
    g_test_message("%u files", replay_corpus->len);
}

static void test_mutations(void)
{
    bool is_long = g_strcmp0(g_getenv("SVCMGR_TEST_LONG"), "1") == 0;

    for (unsigned i = 0; i < (is_long ? REPLAY_MUTATIONS_LONG : REPLAY_MUTATIONS); i++) {
        g_autoptr(GByteArray) input = replay_copy(i % replay_corpus->len);

        for (unsigned n = 1 + replay_random(REPLAY_STEPS_MAX); n > 0 && input->len > 0; n--)
            replay_mutations[replay_random(G_N_ELEMENTS(replay_mutations))](
                    input, replay_random(input->len));
        replay_run(input);
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/fuzz/corpus", test_corpus);
    g_test_add_func("/fuzz/mutations", test_mutations);
    if (g_getenv("FUZZ_CORPUS") == NULL)
        return g_test_run(); /* with -l, to be listed */
    (void)signal(SIGABRT, on_replay_signal);
    (void)signal(SIGTRAP, on_replay_signal);
    (void)signal(SIGSEGV, on_replay_signal);
    if (__sanitizer_set_death_callback != NULL)
        __sanitizer_set_death_callback(on_replay_death);
    replay_load(g_getenv("FUZZ_CORPUS"));
    int failed = g_test_run();
    g_ptr_array_unref(replay_corpus);
    return failed;
}
