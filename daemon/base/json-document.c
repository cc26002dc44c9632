/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Strict JSON documents. jansson parses; around it stands what it does not do: a limit of size and
 * of depth before anything is built, columns in bytes, and, for a duplicate member or a number out
 * of range, the pointer. Depth and pointer come from one scan that follows only strings, brackets
 * and commas, so that it works on broken documents too. The last string of an object is the name of
 * the member in which the scan is: where it could be a value, nothing is open or at fault. */

#include "base/json.h"

#include "base/parse.h"

#include <string.h>

#define JSON_MESSAGE_DEPTH "nested more than %d levels deep"

/* One object or array that is open where the scan is. */
typedef struct JsonLevel {
    bool is_object;
    size_t index;
    const char *name; /* of an object: the last string, raw, with its quotes */
    size_t name_length;
} JsonLevel;

typedef struct JsonScan {
    JsonLevel levels[JSON_MAX_DEPTH];
    size_t depth;
    size_t n_values; /* about; a small one takes a hundred times its text when it is parsed */
    size_t offset;   /* where the scan has ended */
} JsonScan;

/* The offset after the string that begins at offset, at most length. */
static size_t json_scan_string(const char *bytes, size_t offset, size_t length)
{
    for (offset++; offset < length && bytes[offset] != '"'; offset++) {
        if (bytes[offset] == '\\')
            offset++;
    }
    return MIN(offset + 1, length);
}

static void json_scan_token(JsonScan *scan, const char *bytes, size_t length)
{
    JsonLevel *level = scan->depth > 0 ? &scan->levels[scan->depth - 1] : NULL;
    size_t start = scan->offset++;

    switch (bytes[start]) {
    case '"':
        scan->offset = json_scan_string(bytes, start, length);
        if (level != NULL) {
            level->name = bytes + start;
            level->name_length = scan->offset - start;
        }
        break;
    case '{':
    case '[':
        scan->levels[scan->depth++] = (JsonLevel){.is_object = bytes[start] == '{'};
        scan->n_values++;
        break;
    case '}':
    case ']':
        if (level != NULL)
            scan->depth--;
        break;
    case ',':
        if (level != NULL)
            level->index++;
        scan->n_values++;
        break;
    default:
        break;
    }
}

/* Scans up to length; false, with the offset of the bracket, where the document is too deep. */
static bool json_scan_run(JsonScan *scan, const char *bytes, size_t length)
{
    *scan = (JsonScan){0};
    while (scan->offset < length) {
        if (scan->depth == JSON_MAX_DEPTH && strchr("{[", bytes[scan->offset]) != NULL)
            return false;
        json_scan_token(scan, bytes, length);
    }
    return true;
}

/* The decoded name of the level's member; NULL if it has none or it is broken. */
static char *json_scan_name(const JsonLevel *level)
{
    char *name;
    json_t *string;

    if (level->name == NULL)
        return NULL;
    string = json_loadb(level->name, level->name_length, JSON_DECODE_ANY, NULL);
    name = g_strdup(json_string_value(string));
    json_decref(string);
    return name;
}

/* Where the scan has ended. */
static char *json_scan_pointer(const JsonScan *scan)
{
    JsonPath path[JSON_MAX_DEPTH];
    char *names[JSON_MAX_DEPTH] = {NULL};
    size_t n = 0;
    char *pointer;

    for (; n < scan->depth; n++) {
        const JsonLevel *level = &scan->levels[n];

        names[n] = level->is_object ? json_scan_name(level) : NULL;
        if (level->is_object && names[n] == NULL)
            break;
        path[n] = (JsonPath){n > 0 ? &path[n - 1] : NULL, names[n], level->index};
    }
    pointer = json_path_to_pointer(n > 0 ? &path[n - 1] : NULL);
    for (size_t i = 0; i < n; i++)
        g_free(names[i]);
    return pointer;
}

static void json_document_problem(Problems *problems, const char *bytes, size_t offset,
                                  const char *pointer, const char *message)
{
    unsigned line = 1;
    unsigned column = 1;

    for (size_t i = 0; i < offset; i++) {
        column = bytes[i] == '\n' ? 1 : column + 1;
        line += bytes[i] == '\n';
    }
    problems_add(problems, PROBLEM_ERROR, pointer, line, column, "%s", message);
}

/* What can be known before the parser sees the document. */
static bool json_document_check(const char *bytes, size_t length, Problems *problems)
{
    const char *invalid;
    JsonScan scan;

    if (length == 0) {
        problems_add(problems, PROBLEM_ERROR, "", 0, 0, "the document is empty");
        return false;
    }
    if (length > JSON_MAX_BYTES) {
        problems_add(problems, PROBLEM_ERROR, "", 0, 0, "larger than %d bytes", JSON_MAX_BYTES);
        return false;
    }
    if (!g_utf8_validate_len(bytes, length, &invalid)) {
        json_document_problem(problems, bytes, (size_t)(invalid - bytes), "",
                              *invalid == '\0' ? "a NUL byte" : "not valid UTF-8");
        return false;
    }
    if (!json_scan_run(&scan, bytes, length)) {
        g_autofree char *message = g_strdup_printf(JSON_MESSAGE_DEPTH, JSON_MAX_DEPTH);

        json_document_problem(problems, bytes, scan.offset, "", message);
        return false;
    }
    if (scan.n_values > JSON_MAX_VALUES) {
        problems_add(problems, PROBLEM_ERROR, "", 0, 0, "more than %d values", JSON_MAX_VALUES);
        return false;
    }
    return true;
}

/* The characters of a number that end before offset. */
static char *json_document_number(const char *bytes, size_t offset)
{
    size_t start = offset;
    g_autofree char *number = NULL;

    while (start > 0 && strchr("+-.0123456789Ee", bytes[start - 1]) != NULL)
        start--;
    number = g_strndup(bytes + start, offset - start);
    return parse_excerpt(number);
}

static char *json_document_message(const char *bytes, size_t end, const JsonScan *scan,
                                   const json_error_t *error)
{
    g_autofree char *excerpt = NULL;
    g_autofree char *name = NULL;
    g_autofree char *text = g_strdup(error->text);
    char *near;
    enum json_error_code code = json_error_code(error);

    if (code == json_error_duplicate_key) {
        name = scan->depth > 0 ? json_scan_name(&scan->levels[scan->depth - 1]) : NULL;
        excerpt = parse_excerpt(name != NULL ? name : "");
        return g_strdup_printf("duplicate member \"%s\"", excerpt);
    }
    if (code == json_error_numeric_overflow) {
        excerpt = json_document_number(bytes, end);
        return g_strdup_printf("number out of range: %s", excerpt);
    }
    if (code == json_error_null_character || code == json_error_null_byte_in_key)
        return g_strdup("\\u0000 is not allowed in a string");
    /* What stands there may be a secret, and the message be shown to those who may not know it. */
    near = strstr(text, " near '");
    if (near != NULL && strlen(near) > strlen(" near '}'"))
        *near = '\0';
    excerpt = parse_excerpt(text);
    return g_strdup_printf("not valid JSON: %s", excerpt);
}

static void json_document_report(const char *bytes, size_t length, const json_error_t *error,
                                 Problems *problems)
{
    /* jansson's position is the number of bytes that it has taken, the last of which is to blame.
     */
    size_t end = error->position > 0 ? MIN((size_t)error->position, length) : 0;
    enum json_error_code code = json_error_code(error);
    bool has_place = code == json_error_duplicate_key || code == json_error_numeric_overflow;
    g_autofree char *pointer = NULL;
    g_autofree char *message = NULL;
    JsonScan scan;

    (void)json_scan_run(&scan, bytes, end); /* its depth was checked before */
    /* Where the syntax is broken, a pointer would be a guess. */
    pointer = has_place ? json_scan_pointer(&scan) : g_strdup("");
    message = json_document_message(bytes, end, &scan, error);
    json_document_problem(problems, bytes, end > 0 ? end - 1 : 0, pointer, message);
}

json_t *json_document_parse(const char *bytes, size_t length, Problems *problems)
{
    json_error_t error;
    json_t *value;

    if (!json_document_check(bytes, length, problems))
        return NULL;
    value = json_loadb(bytes, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (value == NULL) {
        json_document_report(bytes, length, &error, problems);
        return NULL;
    }
    if (!json_is_object(value)) {
        JsonContext context = {.problems = problems};

        json_problem_expected(&context, NULL, "an object", value);
        json_decref(value);
        return NULL;
    }
    return value;
}
