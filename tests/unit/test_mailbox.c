#include "cache/mailbox.h"

#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct letter {
    struct mail mail;
    unsigned sender;
    unsigned number;
};

/* What a receiver saw. */
struct reader {
    struct mailbox *box;
    char text[256]; /* the numbers in order of arrival, one character each */
    size_t count;
    struct letter *again; /* posted from within the next delivery */
};

static unsigned discarded;

static void on_letter(struct mail *mail, void *receiver)
{
    struct letter *letter = (struct letter *) mail;
    struct reader *reader = receiver;
    reader->text[reader->count++] = (char) ('0' + letter->number);
    if (reader->again) {
        assert_int_equal(mailbox_post(reader->box, &reader->again->mail), ERR_NONE);
        reader->again = NULL;
    }
}

static void on_discard(struct mail *mail)
{
    (void) mail;
    discarded++;
}

static struct letter letter_of(unsigned number)
{
    return (struct letter) {.mail = {.deliver = on_letter, .discard = on_discard},
                            .number = number};
}

static bool is_readable(const struct mailbox *box)
{
    struct pollfd p = {.fd = mailbox_fd(box), .events = POLLIN};
    return poll(&p, 1, 0) == 1;
}

static struct mailbox *new_box(size_t cap)
{
    struct errbuf err;
    struct mailbox *box = mailbox_new(cap, &err);
    assert_non_null(box);
    return box;
}

static void test_mail_arrives_in_order(void **state)
{
    struct letter letters[3];
    struct reader reader = {.box = new_box(10)};
    (void) state;
    assert_false(is_readable(reader.box));
    assert_int_equal(mailbox_take(reader.box, &reader), 0);
    for (unsigned i = 0; i < 3; i++) {
        letters[i] = letter_of(i);
        assert_int_equal(mailbox_post(reader.box, &letters[i].mail), ERR_NONE);
        assert_true(is_readable(reader.box));
    }
    assert_int_equal(mailbox_take(reader.box, &reader), 3);
    assert_string_equal(reader.text, "012");
    assert_false(is_readable(reader.box));
    mailbox_free(reader.box);
}

static void test_a_full_box_refuses(void **state)
{
    struct letter letters[4];
    struct reader reader = {.box = new_box(2)};
    (void) state;
    for (unsigned i = 0; i < 4; i++) {
        letters[i] = letter_of(i);
    }
    assert_int_equal(mailbox_post(reader.box, &letters[0].mail), ERR_NONE);
    assert_int_equal(mailbox_post(reader.box, &letters[1].mail), ERR_NONE);
    assert_int_equal(mailbox_post(reader.box, &letters[2].mail), ERR_AGAIN);
    mailbox_post_must(reader.box, &letters[3].mail);
    assert_int_equal(mailbox_take(reader.box, &reader), 3);
    assert_string_equal(reader.text, "013");
    /* The refused one is its sender's, who may try again. */
    assert_int_equal(mailbox_post(reader.box, &letters[2].mail), ERR_NONE);
    assert_int_equal(mailbox_take(reader.box, &reader), 1);
    assert_string_equal(reader.text, "0132");
    mailbox_free(reader.box);
}

/* What it was linked to when it was sent last is of no account. */
static void test_mail_can_be_sent_again(void **state)
{
    struct letter letters[2] = {letter_of(0), letter_of(1)};
    struct reader reader = {.box = new_box(2)};
    (void) state;
    assert_int_equal(mailbox_post(reader.box, &letters[0].mail), ERR_NONE);
    assert_int_equal(mailbox_post(reader.box, &letters[1].mail), ERR_NONE);
    assert_int_equal(mailbox_take(reader.box, &reader), 2);
    assert_int_equal(mailbox_post(reader.box, &letters[0].mail), ERR_NONE);
    assert_int_equal(mailbox_take(reader.box, &reader), 1);
    assert_string_equal(reader.text, "010");
    mailbox_free(reader.box);
}

static void test_one_wakeup_a_batch(void **state)
{
    struct letter letters[3];
    uint64_t writes = 0;
    struct mailbox *box = new_box(10);
    (void) state;
    for (unsigned i = 0; i < 3; i++) {
        letters[i] = letter_of(i);
        assert_int_equal(mailbox_post(box, &letters[i].mail), ERR_NONE);
    }
    assert_int_equal(read(mailbox_fd(box), &writes, sizeof(writes)), sizeof(writes));
    assert_int_equal(writes, 1);
    mailbox_free(box);
}

/* A letter that its delivery causes is for the next turn, and the box says that it is there. */
static void test_mail_posted_while_taking_waits(void **state)
{
    struct letter first = letter_of(1), second = letter_of(2);
    struct reader reader = {.box = new_box(10), .again = &second};
    (void) state;
    assert_int_equal(mailbox_post(reader.box, &first.mail), ERR_NONE);
    assert_int_equal(mailbox_take(reader.box, &reader), 1);
    assert_string_equal(reader.text, "1");
    assert_true(is_readable(reader.box));
    assert_int_equal(mailbox_take(reader.box, &reader), 1);
    assert_string_equal(reader.text, "12");
    mailbox_free(reader.box);
}

static void test_what_is_left_is_discarded(void **state)
{
    struct letter letters[2] = {letter_of(1), letter_of(2)};
    struct mailbox *box = new_box(10);
    (void) state;
    discarded = 0;
    assert_int_equal(mailbox_post(box, &letters[0].mail), ERR_NONE);
    assert_int_equal(mailbox_post(box, &letters[1].mail), ERR_NONE);
    mailbox_free(box);
    assert_int_equal(discarded, 2);
    mailbox_free(NULL);
}

/* ---- threads ---- */

enum { SENDERS = 4, LETTERS = 20000, CAP = 64, PATIENCE_MS = 30000 };

struct sender {
    struct mailbox *box;
    unsigned number;
};

struct tally {
    unsigned next[SENDERS];
    unsigned total;
    bool is_in_order;
};

static void on_counted(struct mail *mail, void *receiver)
{
    struct letter *letter = (struct letter *) mail;
    struct tally *tally = receiver;
    if (letter->number != tally->next[letter->sender]) {
        tally->is_in_order = false;
    }
    tally->next[letter->sender] = letter->number + 1;
    tally->total++;
    free(letter); /* the receiver owns it now */
}

static void *send_letters(void *arg)
{
    const struct sender *sender = arg;
    for (unsigned i = 0; i < LETTERS; i++) {
        struct letter *letter = x_alloc(sizeof(*letter));
        letter->mail.deliver = on_counted;
        letter->sender = sender->number;
        letter->number = i;
        if (i % 16 == 0) {
            mailbox_post_must(sender->box, &letter->mail);
            continue;
        }
        while (mailbox_post(sender->box, &letter->mail) == ERR_AGAIN) {
            sched_yield();
        }
    }
    return NULL;
}

static void test_many_senders_lose_nothing(void **state)
{
    struct mailbox *box = new_box(CAP);
    struct sender senders[SENDERS];
    pthread_t threads[SENDERS];
    struct tally tally = {.is_in_order = true};
    (void) state;
    for (unsigned i = 0; i < SENDERS; i++) {
        senders[i] = (struct sender) {.box = box, .number = i};
        assert_int_equal(pthread_create(&threads[i], NULL, send_letters, &senders[i]), 0);
    }
    while (tally.total < SENDERS * LETTERS) {
        struct pollfd p = {.fd = mailbox_fd(box), .events = POLLIN};
        if (poll(&p, 1, PATIENCE_MS) != 1) {
            /* Not assert: the threads still use the box. */
            print_error("no wake-up after %u letters\n", tally.total);
            abort();
        }
        mailbox_take(box, &tally);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(tally.next[i], LETTERS);
    }
    assert_true(tally.is_in_order);
    mailbox_free(box);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mail_arrives_in_order),
        cmocka_unit_test(test_a_full_box_refuses),
        cmocka_unit_test(test_mail_can_be_sent_again),
        cmocka_unit_test(test_one_wakeup_a_batch),
        cmocka_unit_test(test_mail_posted_while_taking_waits),
        cmocka_unit_test(test_what_is_left_is_discarded),
        cmocka_unit_test(test_many_senders_lose_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
