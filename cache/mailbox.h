/* A bounded mailbox between threads: many senders, one receiver, ownership moves with the mail.
 *
 * The receiver watches mailbox_fd() for reading (libevent in loops, poll elsewhere) and then calls
 * mailbox_take(). Mail is intrusive: a message embeds `struct mail` first and the receiver casts.
 * Senders never block. One eventfd write per batch, not per message: only the sender that finds the
 * box empty writes. */
#ifndef CACHE_MAILBOX_H
#define CACHE_MAILBOX_H

#include "cache/base.h"

struct mail {
    struct mail *next;
    /* Called by the receiver's loop with the mail it owns now. */
    void (*deliver)(struct mail *mail, void *receiver);
    /* Called instead when the box is freed with the mail still in it. */
    void (*discard)(struct mail *mail);
};

struct mailbox;

struct mailbox *mailbox_new(size_t cap, struct errbuf *err); /* NULL: no eventfd */
void mailbox_free(struct mailbox *box); /* by the receiver, after the last sender has ended */

/* ERR_AGAIN when `cap` messages wait: the mail still belongs to the caller, who drops it with a
 * counter or tells its peer to come back. */
enum err mailbox_post(struct mailbox *box, struct mail *mail) MUST_CHECK;

/* For mail that must arrive (a slot granted, a snapshot): ignores the cap. Only for messages whose
 * number is bounded elsewhere, e.g. embedded in the object they are about. */
void mailbox_post_must(struct mailbox *box, struct mail *mail);

int mailbox_fd(const struct mailbox *box);

/* Delivers what waited at the time of the call, oldest first, to `receiver`; returns how many. */
size_t mailbox_take(struct mailbox *box, void *receiver);

#endif
