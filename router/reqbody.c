#include "router/request.h"

#include <stdlib.h>

struct reqbody *reqbody_new(size_t length)
{
    struct reqbody *b;

    if (length > SIZE_MAX - sizeof(*b)) {
        return NULL;
    }
    b = malloc(sizeof(*b) + length);
    if (b != NULL) {
        b->refs = 1;
        b->length = length;
    }
    return b;
}

struct reqbody *reqbody_grow(struct reqbody *b, size_t room)
{
    if (room > SIZE_MAX - sizeof(*b)) {
        return NULL;
    }
    return realloc(b, sizeof(*b) + room);
}

struct reqbody *reqbody_ref(struct reqbody *b)
{
    b->refs++;
    return b;
}

void reqbody_unref(struct reqbody *b)
{
    if (b != NULL && --b->refs == 0) {
        free(b);
    }
}
