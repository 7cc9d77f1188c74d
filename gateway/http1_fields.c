#include "gateway/http1.h"

#include <string.h>

struct slice http1_field_value(const struct http1_head *head, const char *name)
{
    for (size_t i = 0; i < head->field_count; i++) {
        if (slice_ieq_text(head->fields[i].name, name)) {
            return head->fields[i].value;
        }
    }
    return SLICE_NONE;
}

static struct slice trim(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\t')) {
        at++;
    }
    while (end > at && (end[-1] == ' ' || end[-1] == '\t')) {
        end--;
    }
    return (struct slice) {at, (size_t) (end - at)};
}

/* Cuts the next piece off `rest`, up to `mark` or the end. False when nothing is left. */
static bool next_piece(struct slice *rest, char mark, struct slice *piece)
{
    if (rest->p == NULL) {
        return false;
    }
    const char *end = rest->p + rest->n;
    const char *stop = memchr(rest->p, mark, rest->n);
    *piece = trim(rest->p, stop != NULL ? stop : end);
    *rest = SLICE_NONE;
    if (stop != NULL) {
        *rest = (struct slice) {stop + 1, (size_t) (end - stop - 1)};
    }
    return true;
}

/* `q=0`, `q=0.`, `q=0.000`: the weight that means "not acceptable" (RFC 9110 §12.4.2). */
static bool is_zero_weight(struct slice parameter)
{
    if (parameter.n < 3 || (parameter.p[0] | 0x20) != 'q' || parameter.p[1] != '=') {
        return false;
    }
    for (size_t i = 2; i < parameter.n; i++) {
        if (parameter.p[i] != '0' && !(i == 3 && parameter.p[i] == '.')) {
            return false;
        }
    }
    return true;
}

static bool element_is(struct slice element, const char *token)
{
    struct slice piece;
    if (!next_piece(&element, ';', &piece) || !slice_ieq_text(piece, token)) {
        return false;
    }
    while (next_piece(&element, ';', &piece)) {
        if (is_zero_weight(piece)) {
            return false;
        }
    }
    return true;
}

bool http1_list_has(struct slice list, const char *token)
{
    struct slice element;
    while (next_piece(&list, ',', &element)) {
        if (element_is(element, token)) {
            return true;
        }
    }
    return false;
}

bool http1_has_token(const struct http1_head *head, const char *name, const char *token)
{
    for (size_t i = 0; i < head->field_count; i++) {
        const struct http1_field *f = &head->fields[i];
        if (slice_ieq_text(f->name, name) && http1_list_has(f->value, token)) {
            return true;
        }
    }
    return false;
}

const char *http1_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } rows[] = {
        {100, "Continue"},
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {301, "Moved Permanently"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {402, "Payment Required"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {406, "Not Acceptable"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {421, "Misdirected Request"},
        {422, "Unprocessable Content"},
        {424, "Failed Dependency"},
        {425, "Too Early"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
        {529, "Overloaded"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (rows[i].status == status) {
            return rows[i].text;
        }
    }
    return "Unknown";
}
