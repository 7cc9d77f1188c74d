#include "router/http_date.h"

#include <string.h>

/* A cursor over the text; once something did not fit, everything fails. */
struct reader {
    const char *at;
    const char *end;
    bool ok;
};

struct date {
    unsigned year;
    unsigned month; /* 1..12 */
    unsigned day;
    unsigned hour;
    unsigned minute;
    unsigned second; /* 60 in a leap second */
};

static void expect(struct reader *r, const char *text)
{
    size_t n = strlen(text);
    if (!r->ok || (size_t) (r->end - r->at) < n || memcmp(r->at, text, n) != 0) {
        r->ok = false;
        return;
    }
    r->at += n;
}

static unsigned digits(struct reader *r, unsigned count)
{
    unsigned number = 0;
    for (unsigned i = 0; i < count; i++) {
        if (!r->ok || r->at == r->end || *r->at < '0' || *r->at > '9') {
            r->ok = false;
            return 0;
        }
        number = number * 10 + (unsigned) (*r->at++ - '0');
    }
    return number;
}

static unsigned month(struct reader *r)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (unsigned i = 0; r->ok && r->end - r->at >= 3 && i < 12; i++) {
        if (memcmp(r->at, names + (size_t) i * 3, 3) == 0) {
            r->at += 3;
            return i + 1;
        }
    }
    r->ok = false;
    return 0;
}

static void time_of_day(struct reader *r, struct date *d)
{
    d->hour = digits(r, 2);
    expect(r, ":");
    d->minute = digits(r, 2);
    expect(r, ":");
    d->second = digits(r, 2);
}

static struct date current_form(struct reader *r)
{
    struct date d = {0};
    d.day = digits(r, 2);
    expect(r, " ");
    d.month = month(r);
    expect(r, " ");
    d.year = digits(r, 4);
    expect(r, " ");
    time_of_day(r, &d);
    expect(r, " GMT");
    return d;
}

static struct date rfc850_form(struct reader *r)
{
    struct date d = {0};
    d.day = digits(r, 2);
    expect(r, "-");
    d.month = month(r);
    expect(r, "-");
    d.year = digits(r, 2);
    d.year += d.year < 70 ? 2000 : 1900;
    expect(r, " ");
    time_of_day(r, &d);
    expect(r, " GMT");
    return d;
}

static struct date asctime_form(struct reader *r)
{
    struct date d = {0};
    d.month = month(r);
    expect(r, " ");
    if (r->ok && r->at < r->end && *r->at == ' ') {
        r->at++;
        d.day = digits(r, 1);
    } else {
        d.day = digits(r, 2);
    }
    expect(r, " ");
    time_of_day(r, &d);
    expect(r, " ");
    d.year = digits(r, 4);
    return d;
}

static bool is_leap(unsigned year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static unsigned days_of(unsigned month, unsigned year)
{
    static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    return days[month - 1] + (month == 2 && is_leap(year) ? 1u : 0u);
}

static bool is_real(const struct date *d)
{
    return d->year >= 1970 && d->month >= 1 && d->day >= 1 &&
           d->day <= days_of(d->month, d->year) && d->hour <= 23 && d->minute <= 59 &&
           d->second <= 60;
}

static int64_t seconds_of(const struct date *d)
{
    unsigned past = d->year - 1;
    /* Of the years since 1970, 477 leap days lie before it. */
    int64_t days = (int64_t) (d->year - 1970) * 365 + past / 4 - past / 100 + past / 400 - 477;
    for (unsigned m = 1; m < d->month; m++) {
        days += days_of(m, d->year);
    }
    days += d->day - 1;
    return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}

bool http_date_parse(struct slice text, int64_t *unix_s)
{
    struct reader r = {text.p, text.p + text.n, true};
    struct date d;
    while (r.at < r.end && *r.at != ' ' && *r.at != ',') {
        r.at++; /* the weekday */
    }
    bool has_comma = r.at < r.end && *r.at == ',';
    expect(&r, has_comma ? ", " : " ");
    if (!has_comma) {
        d = asctime_form(&r);
    } else if (r.end - r.at > 2 && r.at[2] == '-') {
        d = rfc850_form(&r);
    } else {
        d = current_form(&r);
    }
    if (!r.ok || r.at != r.end || !is_real(&d)) {
        return false;
    }
    *unix_s = seconds_of(&d);
    return true;
}
