/* Why a request or a call failed, in the terms of the OpenAI error object and of our log.
 *
 * Strings are borrowed from static text or from the arena of the job that failed. */
#ifndef ROUTER_FAILURE_H
#define ROUTER_FAILURE_H

#include "cache/base.h"
#include "cache/record.h"

struct failure {
    enum end_reason reason;
    int status;          /* of the HTTP reply, where one can still be sent */
    const char *message; /* plain text for a person; used where message_json is empty */
    const char *type;    /* "invalid_request_error", "server_error", …; NULL gives null */
    const char *param;
    const char *code;
    uint64_t retry_after_us; /* 0: no retry-after header */
    bool no_retry;           /* our own retries are spent: x-should-retry: false */
    /* A provider's own words, as raw JSON values; where set they stand in place of the above. */
    struct slice message_json;
    struct slice type_json;
    struct slice param_json;
    struct slice code_json;
};

#endif
