/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every byte comes out once and in order, whatever slices it came in. What is expected comes from a
 * model that takes one byte at a time. */

#include "process/output-lines.h"

#include <glib.h>
#include <inttypes.h>
#include <string.h>

#define LINES_ROUNDS 300
#define LINES_LONG_BYTES ((size_t)10 * 1024 * 1024)

/* Pieces, one after the other: "KIND LENGTH " and the bytes. */
static void on_lines_piece(const char *bytes, size_t length, OutputPiece piece, void *data)
{
    GString *pieces = data;

    g_assert_cmpuint(length, <=, OUTPUT_LINE_MAX);
    g_string_append_printf(pieces, "%c %zu ", "WPC"[piece], length);
    g_string_append_len(pieces, bytes, (gssize)length);
}

static void lines_assert_same(const GString *pieces, const GString *expected)
{
    size_t at = 0;

    while (at < pieces->len && at < expected->len && pieces->str[at] == expected->str[at])
        at++;
    if (at < pieces->len || at < expected->len)
        g_test_message("they differ at %zu of %zu, expected %zu", at, pieces->len, expected->len);
    g_assert_cmpuint(at, ==, pieces->len);
    g_assert_cmpuint(at, ==, expected->len);
}

/* The model */

typedef struct LinesModel {
    char line[OUTPUT_LINE_MAX];
    size_t length;
    bool goes_on;
    GString *pieces;
} LinesModel;

static void lines_model_give(LinesModel *model, OutputPiece piece)
{
    on_lines_piece(model->line, model->length, piece, model->pieces);
    model->length = 0;
    model->goes_on = piece == OUTPUT_PARTIAL;
}

static void lines_model_feed(LinesModel *model, const char *bytes, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        if (bytes[i] == '\n') {
            lines_model_give(model, OUTPUT_WHOLE);
            continue;
        }
        if (model->length == OUTPUT_LINE_MAX)
            lines_model_give(model, OUTPUT_PARTIAL);
        model->line[model->length++] = bytes[i];
    }
}

static void lines_model_flush(LinesModel *model)
{
    if (model->length > 0)
        lines_model_give(model, OUTPUT_PARTIAL);
}

static void lines_model_end(LinesModel *model)
{
    if (model->length > 0 || model->goes_on)
        lines_model_give(model, OUTPUT_CUT);
}

/* Both of them */

typedef struct LinesPair {
    OutputLines lines;
    GString *pieces;
    LinesModel *model;
} LinesPair;

static LinesPair lines_pair_new(void)
{
    LinesPair pair = {.pieces = g_string_new(NULL), .model = g_new0(LinesModel, 1)};

    pair.model->pieces = g_string_new(NULL);
    return pair;
}

/* The slice is memory of exactly that size, and is gone when the call is done. */
static void lines_pair_feed(LinesPair *pair, const char *bytes, size_t length)
{
    g_autofree char *slice = g_memdup2(bytes, length);

    output_lines_feed(&pair->lines, slice, length, on_lines_piece, pair->pieces);
    lines_model_feed(pair->model, bytes, length);
}

static void lines_pair_flush(LinesPair *pair)
{
    output_lines_flush(&pair->lines, on_lines_piece, pair->pieces);
    lines_model_flush(pair->model);
}

static void lines_pair_end(LinesPair *pair)
{
    output_lines_end(&pair->lines, on_lines_piece, pair->pieces);
    lines_model_end(pair->model);
}

static void lines_pair_check(LinesPair *pair)
{
    lines_assert_same(pair->pieces, pair->model->pieces);
}

static void lines_pair_clear(LinesPair *pair)
{
    output_lines_clear(&pair->lines);
    g_assert_null(pair->lines.held);
    g_string_free(pair->pieces, TRUE);
    g_string_free(pair->model->pieces, TRUE);
    g_free(pair->model);
}

/* The tests */

/* What is fed: '|' divides slices, '~' is a flush, '$' the end. */
static const struct {
    const char *fed;
    const char *expected;
} lines_rows[] = {
        {"", ""},
        {"$~$", ""},
        {"\n", "W 0 "},
        {"a\nbc\n\n", "W 1 aW 2 bcW 0 "},
        {"a|b|\n|c\nd", "W 2 abW 1 c"},
        {"a|b\n$", "W 2 ab"},
        {"a\nb$$", "W 1 aC 1 b"},
        {"ab~~c|d\ne\n", "P 2 abW 2 cdW 1 e"},
        {"ab~\n$", "P 2 abW 0 "},
        {"ab~$$x\n", "P 2 abC 0 W 1 x"},
        {"a~b~c~$", "P 1 aP 1 bP 1 cC 0 "},
        {"a$b$", "C 1 aC 1 b"},
        {" a \r\n\t\n", "W 4  a \rW 1 \t"},
};

static void test_rows(void)
{
    for (size_t i = 0; i < G_N_ELEMENTS(lines_rows); i++) {
        LinesPair pair = lines_pair_new();

        for (const char *fed = lines_rows[i].fed; *fed != '\0';) {
            size_t length = strcspn(fed, "|~$");

            lines_pair_feed(&pair, fed, length);
            fed += length;
            if (*fed == '~')
                lines_pair_flush(&pair);
            if (*fed == '$')
                lines_pair_end(&pair);
            fed += *fed != '\0';
        }
        g_assert_cmpstr(pair.pieces->str, ==, lines_rows[i].expected);
        lines_pair_check(&pair);
        lines_pair_clear(&pair);
    }
}

/* Lines about as long as one may be, their pieces' lengths, and what kinds these are. */
static const struct {
    size_t length;
    const char *kinds;  /* when a newline follows */
    const char *at_end; /* when none does */
} lines_limits[] = {
        {OUTPUT_LINE_MAX - 1, "W", "C"},         {OUTPUT_LINE_MAX, "W", "C"},
        {OUTPUT_LINE_MAX + 1, "PW", "PC"},       {2 * OUTPUT_LINE_MAX, "PW", "PC"},
        {2 * OUTPUT_LINE_MAX + 1, "PPW", "PPC"},
};

static void on_lines_kind(const char *bytes, size_t length, OutputPiece piece, void *data)
{
    GString *kinds = data;

    (void)bytes;
    g_assert_true(piece != OUTPUT_PARTIAL || length == OUTPUT_LINE_MAX);
    g_assert_cmpuint(length, >, 0);
    g_string_append_c(kinds, "WPC"[piece]);
}

static void lines_assert_kinds(const GString *line, size_t slice, const char *expected)
{
    OutputLines lines = {0};
    g_autoptr(GString) kinds = g_string_new(NULL);

    for (size_t at = 0; at < line->len; at += slice)
        output_lines_feed(&lines, line->str + at, MIN(slice, line->len - at), on_lines_kind, kinds);
    output_lines_end(&lines, on_lines_kind, kinds);
    g_assert_cmpstr(kinds->str, ==, expected);
    output_lines_clear(&lines);
}

static void test_limits(void)
{
    static const size_t slices[] = {1, 4096, OUTPUT_LINE_MAX - 1, OUTPUT_LINE_MAX, SIZE_MAX / 4};

    for (size_t i = 0; i < G_N_ELEMENTS(lines_limits); i++) {
        g_autoptr(GString) line = g_string_new(NULL);

        g_string_set_size(line, lines_limits[i].length);
        memset(line->str, 'x', line->len);
        for (size_t j = 0; j < G_N_ELEMENTS(slices); j++)
            lines_assert_kinds(line, slices[j], lines_limits[i].at_end);
        g_string_append_c(line, '\n');
        for (size_t j = 0; j < G_N_ELEMENTS(slices); j++)
            lines_assert_kinds(line, slices[j], lines_limits[i].kinds);
    }
}

/* Bytes of all values; some texts have many newlines, some hardly any. */
static void lines_fill(GString *text, size_t length)
{
    int newlines = g_test_rand_int_range(0, 3);

    g_string_set_size(text, length);
    for (size_t i = 0; i < length; i++) {
        uint32_t random = (uint32_t)g_test_rand_int();

        text->str[i] = (char)random;
        if (newlines > 0 && (random >> 8) % (newlines == 1 ? 100 : 20000) == 0)
            text->str[i] = '\n';
        else if (newlines == 0 && text->str[i] == '\n')
            text->str[i] = '\0';
    }
}

static size_t lines_random_slice(size_t most)
{
    static const size_t sizes[] = {1, 7, 100, 4096, OUTPUT_LINE_MAX - 1, OUTPUT_LINE_MAX};

    size_t size = sizes[g_test_rand_int_range(0, G_N_ELEMENTS(sizes))];

    if (g_test_rand_bit())
        size = (size_t)g_test_rand_int_range(0, (int)OUTPUT_LINE_MAX + 1);
    return MIN(size, most);
}

static void test_random(void)
{
    for (unsigned round = 0; round < LINES_ROUNDS; round++) {
        LinesPair pair = lines_pair_new();
        g_autoptr(GString) text = g_string_new(NULL);

        lines_fill(text, (size_t)g_test_rand_int_range(0, 4 * (int)OUTPUT_LINE_MAX));
        for (size_t at = 0; at < text->len;) {
            size_t length = lines_random_slice(text->len - at);

            lines_pair_feed(&pair, text->str + at, length);
            at += length;
            if (g_test_rand_int_range(0, 10) == 0)
                lines_pair_flush(&pair);
            if (g_test_rand_int_range(0, 50) == 0)
                lines_pair_end(&pair);
        }
        lines_pair_end(&pair);
        lines_pair_check(&pair);
        lines_pair_clear(&pair);
    }
}

static void test_long(void)
{
    LinesPair pair = lines_pair_new();
    g_autofree char *text = g_malloc(LINES_LONG_BYTES);

    for (size_t i = 0; i < LINES_LONG_BYTES; i++)
        text[i] = (char)('a' + i % 23);
    for (size_t at = 0, slice; at < LINES_LONG_BYTES; at += slice) {
        slice = MIN(LINES_LONG_BYTES - at, 50000);
        lines_pair_feed(&pair, text + at, slice);
        g_assert_cmpuint(pair.lines.held_size, <=, OUTPUT_LINE_MAX);
    }
    lines_pair_feed(&pair, text, LINES_LONG_BYTES); /* in one slice, too */
    lines_pair_end(&pair);
    lines_pair_check(&pair);
    lines_pair_clear(&pair);
}

typedef struct LinesPlaces {
    const char *slice;
    size_t length;
    unsigned n_inside;
    unsigned n_outside;
} LinesPlaces;

static void on_lines_place(const char *bytes, size_t length, OutputPiece piece, void *data)
{
    LinesPlaces *places = data;
    bool is_inside = bytes >= places->slice && bytes + length <= places->slice + places->length;

    (void)piece;
    places->n_inside += is_inside;
    places->n_outside += !is_inside;
}

/* Whole lines are given as they stand in the slice, one that began in another is not. */
static void test_not_copied(void)
{
    static const char slice[] = "end\nwhole\n\nwhole too\nbegin";
    LinesPlaces places = {.slice = slice, .length = strlen(slice)};
    OutputLines lines = {0};

    output_lines_feed(&lines, slice, strlen(slice), on_lines_place, &places);
    g_assert_cmpuint(places.n_inside, ==, 4);
    g_assert_cmpuint(lines.n_held, ==, strlen("begin"));
    output_lines_feed(&lines, slice, strlen(slice), on_lines_place, &places);
    g_assert_cmpuint(places.n_inside, ==, 7);
    g_assert_cmpuint(places.n_outside, ==, 1);
    output_lines_clear(&lines);
}

/* A buffer for the longest line is not kept by each that has ever had one. */
static void test_buffer(void)
{
    g_autofree char *text = g_malloc(OUTPUT_LINE_MAX);
    LinesPair pair = lines_pair_new();

    memset(text, 'x', OUTPUT_LINE_MAX);
    lines_pair_feed(&pair, text, OUTPUT_LINE_MAX);
    g_assert_cmpuint(pair.lines.held_size, ==, OUTPUT_LINE_MAX);
    lines_pair_feed(&pair, "\n", 1);
    g_assert_cmpuint(pair.lines.held_size, ==, 0);
    g_assert_null(pair.lines.held);

    lines_pair_feed(&pair, text, 100);
    lines_pair_feed(&pair, "\n", 1);
    g_assert_cmpuint(pair.lines.held_size, >=, 100);
    g_assert_cmpuint(pair.lines.held_size, <=, 4096);
    lines_pair_check(&pair);
    lines_pair_clear(&pair);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/output-lines/rows", test_rows);
    g_test_add_func("/output-lines/limits", test_limits);
    g_test_add_func("/output-lines/random", test_random);
    g_test_add_func("/output-lines/long", test_long);
    g_test_add_func("/output-lines/not-copied", test_not_copied);
    g_test_add_func("/output-lines/buffer", test_buffer);
    return g_test_run();
}
