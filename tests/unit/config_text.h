/* What the tests of the configuration share: a small text that loads, an environment, loading. */
#ifndef TESTS_UNIT_CONFIG_TEXT_H
#define TESTS_UNIT_CONFIG_TEXT_H

#include "gateway/config.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Four lines: what is added stands in line 5. */
#define UPSTREAMS "upstreams:\n  - {name: u, url: \"http://127.0.0.1:1/v1\"}\n"
#define MODELS "models:\n  - {name: m, upstream: u}\n"
#define GOOD UPSTREAMS MODELS

/* The only upstream has these members too. */
#define UPSTREAM(members) "upstreams:\n  - {name: u, " members "}\n" MODELS

#define SECRET "sk-never-to-be-seen"
/* printf %s sk-never-to-be-seen | sha256sum */
#define SECRET_SHA256 "f92c372778d90766654870e85fe004ea4a446d9d1e2873cad582610bcc70b1d1"
#define ZEROES "0000000000000000000000000000000000000000000000000000000000000000"
#define ONES "1111111111111111111111111111111111111111111111111111111111111111"
#define X58 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X63 X58 "xxxxx"

static inline const char *fake_getenv(const char *name)
{
    static const char *const values[][2] = {
        {"SECRET", SECRET},     {"OTHER", SECRET "-2"},         {"EMPTY", ""},
        {"SPACED", "sk never"}, {"INJECTED", "sk\r\nx: never"},
    };
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        if (strcmp(values[i][0], name) == 0) {
            return values[i][1];
        }
    }
    return NULL;
}

static inline struct config *load(const char *text, struct config_report *report)
{
    return config_load_text("t.yaml", slice_of(text), fake_getenv, report);
}

/* The configuration of a text that must load. */
static inline struct config *good(const char *text)
{
    struct config_report report;
    struct config *c = load(text, &report);
    for (size_t i = 0; i < report.count; i++) {
        print_error("%s\n", report.messages[i]);
    }
    assert_non_null(c);
    assert_int_equal(report.count, 0);
    config_report_fini(&report);
    return c;
}

#endif
