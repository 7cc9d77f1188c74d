/* Settings: what is made of a configuration before a thread serves by it. */
#include "gateway/settings.h"
#include "tests/unit/config_text.h"
#include "cache/loop.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define TWO_KEYS                                                                                   \
    "keys: [{name: a, sha256: " SECRET_SHA256 ", max_in_flight: 3}, {name: b, sha256: " ONES "}]"  \
    "\n"

struct ground {
    struct loop_virtual clock;
    struct env env;
    struct install_key key;
    struct ledger *ledger;
    char directory[32]; /* "": there are no files */
};

static int set_up(void **state)
{
    struct ground *g = calloc(1, sizeof(*g));
    g->env = loop_virtual_env(&g->clock, 3);
    g->env.random(g->env.arg, &g->key, sizeof(g->key));
    g->ledger = ledger_new(&g->env);
    *state = g;
    return 0;
}

static int tear_down(void **state)
{
    struct ground *g = *state;
    ledger_free(g->ledger);
    free(g);
    return 0;
}

static struct settings *make(struct ground *g, struct config *config,
                             const struct settings *previous)
{
    struct errbuf why;
    const struct settings_ground ground = {.ledger = g->ledger,
                                           .install_key = &g->key,
                                           .env = &g->env,
                                           .previous = previous,
                                           .number = 9};
    struct settings *s = settings_new(config, &ground, &why);
    assert_non_null(s);
    return s;
}

static void names_become_tags_and_places_in_the_ledger(void **state)
{
    struct ground *g = *state;
    struct settings *s = make(g, good(GOOD TWO_KEYS "tasks: [{name: math}]\n"), NULL);
    const struct auth *auth = &s->config->auth;
    struct ledger_upstream_state states[2];
    assert_null(s->config->catalog); /* the snapshot's now */
    assert_int_equal(s->snapshot->number, 9);
    assert_int_equal(auth->count, 2);
    assert_int_equal(auth->keys[0].key_tag, crypt_tag(&g->key, "key", SLICE_LIT("a")));
    assert_int_equal(auth->keys[1].key_tag, crypt_tag(&g->key, "key", SLICE_LIT("b")));
    assert_non_null(auth->keys[0].ledger);
    assert_ptr_not_equal(auth->keys[0].ledger, auth->keys[1].ledger);
    assert_int_equal(s->snapshot->task_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct task *task = &s->snapshot->tasks[i];
        assert_int_equal(settings_task_tag(s, task),
                         crypt_tag(&g->key, "task", slice_of(task->name)));
    }
    assert_int_equal(ledger_upstreams(g->ledger, states, 2), 1);
    assert_string_equal(states[0].name, "u");
    assert_int_equal(s->training.classes, 0);
    assert_null(s->snapshot->classifier);
    settings_unref(s);
}

/* Ids that were given out stay good, and what a key has used stays used. */
static void another_order_changes_no_tag_and_no_place(void **state)
{
    struct ground *g = *state;
    struct settings *before = make(g, good(GOOD TWO_KEYS "tasks: [{name: x}, {name: y}]\n"), NULL);
    struct settings *after = make(g,
                                  good(GOOD "keys: [{name: b, sha256: " ONES
                                            "}, {name: a, sha256: " SECRET_SHA256 "}]\n"
                                            "tasks: [{name: y}, {name: x}]\n"),
                                  before);
    assert_int_equal(before->config->auth.keys[0].key_tag, after->config->auth.keys[1].key_tag);
    assert_ptr_equal(before->config->auth.keys[0].ledger, after->config->auth.keys[1].ledger);
    assert_int_equal(before->task_tags[1], after->task_tags[2]);
    assert_int_equal(before->task_tags[2], after->task_tags[1]);
    assert_int_not_equal(before->task_tags[1], before->task_tags[2]);
    settings_unref(before);
    settings_unref(after);
}

static void they_live_as_long_as_somebody_holds_them(void **state)
{
    struct settings *s = make(*state, good(GOOD), NULL);
    assert_ptr_equal(settings_ref(s), s);
    settings_unref(s);
    assert_string_equal(s->config->file, "t.yaml"); /* valgrind and ASan see one too few */
    settings_unref(s);
    settings_unref(NULL);
}

/* ---- the classifier ---- */

static void write_examples(const struct ground *g, const char *name, const char *word)
{
    char path[64];
    snprintf(path, sizeof(path), "%s/%s", g->directory, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (unsigned i = 0; i < 12; i++) {
        fprintf(f, "\"%s %u %s\"\n", word, i * 37, word);
    }
    assert_int_equal(fclose(f), 0);
}

static struct config *with_examples(const struct ground *g, const char *more)
{
    char text[1024];
    snprintf(text, sizeof(text),
             GOOD "tasks:\n  - {name: sums, match: {examples: %s/sums}}\n"
                  "  - {name: verse, match: {examples: %s/verse}}\n%s",
             g->directory, g->directory, more);
    return good(text);
}

static int set_up_examples(void **state)
{
    set_up(state);
    struct ground *g = *state;
    snprintf(g->directory, sizeof(g->directory), "/tmp/test_settings.XXXXXX");
    assert_non_null(mkdtemp(g->directory));
    write_examples(g, "sums", "add these numbers for me");
    write_examples(g, "verse", "write a poem of the sea");
    return 0;
}

static int tear_down_examples(void **state)
{
    static const char *const names[] = {"sums", "verse"};
    struct ground *g = *state;
    char path[64];
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(path, sizeof(path), "%s/%s", g->directory, names[i]);
        unlink(path);
    }
    rmdir(g->directory);
    return tear_down(state);
}

static void equal_examples_are_learnt_once(void **state)
{
    struct ground *g = *state;
    struct settings *first = make(g, with_examples(g, ""), NULL);
    assert_int_equal(first->training.classes, 2);
    assert_int_equal(first->training.examples, 24);
    assert_non_null(first->snapshot->classifier);
    assert_null(first->config->examples); /* their texts are not kept */
    struct settings *same = make(g, with_examples(g, "drain: 3s\n"), first);
    assert_int_equal(same->training.classes, 0);
    assert_ptr_equal(same->snapshot->classifier, first->snapshot->classifier);
    settings_unref(first); /* the classifier outlives who trained it */
    write_examples(g, "verse", "rhyme on the moon tonight");
    struct settings *other = make(g, with_examples(g, ""), same);
    assert_int_equal(other->training.classes, 2);
    assert_ptr_not_equal(other->snapshot->classifier, same->snapshot->classifier);
    settings_unref(same);
    settings_unref(other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(names_become_tags_and_places_in_the_ledger, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(another_order_changes_no_tag_and_no_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(they_live_as_long_as_somebody_holds_them, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(equal_examples_are_learnt_once, set_up_examples,
                                        tear_down_examples),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
