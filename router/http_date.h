/* Dates as HTTP writes them (RFC 9110, section 5.6.7), in all three forms that must be understood:
 *
 *      Sun, 06 Nov 1994 08:49:37 GMT      the one in use
 *      Sunday, 06-Nov-94 08:49:37 GMT     RFC 850; years below 70 are of this century
 *      Sun Nov  6 08:49:37 1994           asctime() */
#ifndef ROUTER_HTTP_DATE_H
#define ROUTER_HTTP_DATE_H

#include "cache/base.h"

/* Seconds since 1970-01-01 UTC. False when it is none of the three or no day of the calendar; the name of
 * the weekday is not looked at, as it says nothing that the date does not. */
bool http_date_parse(struct slice text, int64_t *unix_s) MUST_CHECK;

#endif
