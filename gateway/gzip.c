/* The only file that knows zlib.
 *
 * Memory of a deflate state (zlib 1.2.13): 2^(windowBits+2) + 2^(memLevel+9) + 6 KiB of its own. The
 * defaults make 268 KiB, which is much for a stream of small events, so windows are no larger than what
 * is to be packed. */
#include "gateway/gzip.h"

#include <event2/buffer.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum {
    GZIP_FORMAT = 16, /* added to windowBits */
    STREAM_LEVEL = 6, /* small pieces, packed one by one */
    WHOLE_LEVEL =
        1, /* of numbers, which large replies consist of, a tenth larger in a sixth of the time */
    WHOLE_WINDOW_MIN = 9, /* zlib 1.2.13 writes a wrong window size for 8 */
    WHOLE_WINDOW_MAX = 15,
    WHOLE_MEMORY = 8,
    STREAM_WINDOW = 11,
    STREAM_MEMORY = 4,
    OUT_BYTES = 4096,
    UNPACK_FIRST_BYTES = 4096,
};

struct gzip_stream {
    z_stream z;
};

/* zlib counts in unsigned int, a slice may be longer. */
static uInt piece(size_t n)
{
    return n < UINT_MAX / 2 ? (uInt) n : UINT_MAX / 2;
}

/* zlib's input pointer is not const, although it only reads. */
static void set_input(z_stream *z, const char *p, size_t n)
{
    z->next_in = (Bytef *) (uintptr_t) p;
    z->avail_in = piece(n);
}

/* Packs what z has as input to the end of `out`. */
static enum err pack(z_stream *z, int flush, struct evbuffer *out)
{
    Bytef room[OUT_BYTES];

    do {
        z->next_out = room;
        z->avail_out = sizeof(room);
        /* Z_BUF_ERROR only says that there was nothing to do. */
        if (deflate(z, flush) == Z_STREAM_ERROR) {
            return ERR_NOMEM;
        }
        if (evbuffer_add(out, room, sizeof(room) - z->avail_out) != 0) {
            return ERR_NOMEM;
        }
    } while (z->avail_out == 0);
    return ERR_NONE;
}

static enum err pack_text(z_stream *z, struct slice text, int last_flush, struct evbuffer *out)
{
    enum err rc;

    do {
        set_input(z, text.p, text.n);
        text.p = text.n > 0 ? text.p + z->avail_in : NULL;
        text.n -= z->avail_in;
        rc = pack(z, text.n > 0 ? Z_NO_FLUSH : last_flush, out);
    } while (rc == ERR_NONE && text.n > 0);
    return rc;
}

static int window_for(size_t bytes)
{
    int bits = WHOLE_WINDOW_MIN;

    while (bits < WHOLE_WINDOW_MAX && bytes >> bits > 0) {
        bits++;
    }
    return bits;
}

enum err gzip_whole(struct slice text, struct evbuffer *out)
{
    z_stream z = {.next_in = NULL};
    enum err rc;

    if (deflateInit2(&z, WHOLE_LEVEL, Z_DEFLATED, window_for(text.n) + GZIP_FORMAT, WHOLE_MEMORY,
                     Z_DEFAULT_STRATEGY) != Z_OK) {
        return ERR_NOMEM;
    }
    rc = pack_text(&z, text, Z_FINISH, out);
    (void) deflateEnd(&z);
    return rc;
}

struct gzip_stream *gzip_stream_new(void)
{
    struct gzip_stream *g = calloc(1, sizeof(*g));

    if (g != NULL && deflateInit2(&g->z, STREAM_LEVEL, Z_DEFLATED, STREAM_WINDOW + GZIP_FORMAT,
                                  STREAM_MEMORY, Z_DEFAULT_STRATEGY) != Z_OK) {
        free(g);
        g = NULL;
    }
    return g;
}

void gzip_stream_free(struct gzip_stream *g)
{
    if (g != NULL) {
        (void) deflateEnd(&g->z);
        free(g);
    }
}

enum err gzip_stream_write(struct gzip_stream *g, struct slice text, struct evbuffer *out)
{
    return pack_text(&g->z, text, Z_SYNC_FLUSH, out);
}

enum err gzip_stream_end(struct gzip_stream *g, struct evbuffer *out)
{
    return pack_text(&g->z, SLICE_NONE, Z_FINISH, out);
}

/* ---- unpacking ---- */

struct unpacked {
    char *bytes;
    size_t length;
    size_t room;
    size_t cap;
};

/* At the cap the room is one spare byte: what lands there shows that the text is longer. */
static enum err grow(struct unpacked *u)
{
    size_t room = u->room < UNPACK_FIRST_BYTES ? UNPACK_FIRST_BYTES : u->room;
    char *bytes;

    if (u->length > u->cap) {
        return ERR_LIMIT;
    }
    if (u->length < u->room) {
        return ERR_NONE;
    }
    room = room > u->cap / 2 ? u->cap : 2 * room;
    if (room <= u->length) {
        room = u->length + 1;
    }
    bytes = realloc(u->bytes, room);
    if (bytes == NULL) {
        return ERR_NOMEM;
    }
    u->bytes = bytes;
    u->room = room;
    return ERR_NONE;
}

static enum err inflate_all(z_stream *z, struct slice packed, struct unpacked *u)
{
    int rc = Z_OK;

    while (rc != Z_STREAM_END) {
        enum err grown = grow(u);
        size_t before;

        if (grown != ERR_NONE) {
            return grown;
        }
        set_input(z, packed.p, packed.n);
        before = z->avail_in;
        z->next_out = (Bytef *) u->bytes + u->length;
        z->avail_out = piece(u->room - u->length);
        rc = inflate(z, Z_NO_FLUSH);
        u->length = (size_t) ((char *) z->next_out - u->bytes);
        packed.p += before - z->avail_in;
        packed.n -= before - z->avail_in;
        if (rc == Z_MEM_ERROR) {
            return ERR_NOMEM;
        }
        /* Z_BUF_ERROR: no progress, though there is room to write: the input ends too early. */
        if (rc != Z_OK && rc != Z_STREAM_END) {
            return ERR_INPUT;
        }
    }
    if (u->length > u->cap) {
        return ERR_LIMIT;
    }
    return packed.n == 0 ? ERR_NONE : ERR_INPUT;
}

enum err gzip_unpack(struct slice packed, size_t cap_bytes, char **out, size_t *out_bytes)
{
    struct unpacked u = {.cap = cap_bytes};
    z_stream z = {.next_in = NULL};
    enum err rc;

    *out = NULL;
    *out_bytes = 0;
    if (packed.n == 0) {
        return ERR_INPUT;
    }
    if (inflateInit2(&z, WHOLE_WINDOW_MAX + GZIP_FORMAT) != Z_OK) {
        return ERR_NOMEM;
    }
    rc = inflate_all(&z, packed, &u);
    (void) inflateEnd(&z);
    if (rc != ERR_NONE) {
        free(u.bytes);
        return rc;
    }
    *out = u.bytes;
    *out_bytes = u.length;
    return ERR_NONE;
}
