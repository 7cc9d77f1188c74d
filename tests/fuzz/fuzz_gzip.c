/* Unpacking anything stays under the cap and ends with a known result; what unpacks is the same at a
 * smaller cap that it fits, and refused below that. Packing and unpacking gives the input back. */
#include "gateway/gzip.h"

#include <event2/buffer.h>
#include <stdlib.h>
#include <string.h>

enum { CAP_MAX = 1 << 20 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void unpack_anything(struct slice packed, size_t cap)
{
    char *out;
    char *again;
    size_t n;
    size_t m;
    enum err rc = gzip_unpack(packed, cap, &out, &n);

    if (rc != ERR_NONE) {
        must(rc == ERR_INPUT || rc == ERR_LIMIT || rc == ERR_NOMEM);
        must(out == NULL && n == 0);
        return;
    }
    must(out != NULL && n <= cap);
    must(gzip_unpack(packed, n, &again, &m) == ERR_NONE && m == n && memcmp(out, again, n) == 0);
    free(again);
    must(n == 0 || gzip_unpack(packed, n - 1, &again, &m) == ERR_LIMIT);
    free(out);
}

static void there_and_back(struct slice text, bool stream)
{
    struct evbuffer *packed = evbuffer_new();
    struct gzip_stream *g = stream ? gzip_stream_new() : NULL;
    char *out;
    size_t n;

    must(packed != NULL && (!stream || g != NULL));
    if (stream) {
        must(gzip_stream_write(g, (struct slice) {text.p, text.n / 2}, packed) == ERR_NONE);
        must(gzip_stream_write(g, (struct slice) {text.p + text.n / 2, text.n - text.n / 2},
                               packed) == ERR_NONE);
        must(gzip_stream_end(g, packed) == ERR_NONE);
        gzip_stream_free(g);
    } else {
        must(gzip_whole(text, packed) == ERR_NONE);
    }
    n = evbuffer_get_length(packed);
    must(gzip_unpack((struct slice) {(const char *) evbuffer_pullup(packed, -1), n}, text.n, &out,
                     &n) == ERR_NONE);
    must(n == text.n && (n == 0 || memcmp(out, text.p, n) == 0));
    free(out);
    evbuffer_free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice all;
    size_t cap;

    if (size < 3) {
        return 0;
    }
    cap = ((size_t) data[0] << 16 | (size_t) data[1] << 8 | data[2]) % CAP_MAX;
    all = (struct slice) {(const char *) data + 3, size - 3};
    unpack_anything(all, cap);
    there_and_back(all, (data[0] & 1) != 0);
    return 0;
}
