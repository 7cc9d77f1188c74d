#include "cache/mailbox.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
    pthread_mutex_t mutex;
    struct mail *first;
    struct mail **last;
    size_t length;
    size_t cap;
    int fd;
};

struct mailbox *mailbox_new(size_t cap, struct errbuf *err)
{
    int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (fd == -1) {
        err_set(err, ERR_IO, "no eventfd for a mailbox: %s", strerror(errno));
        return NULL;
    }
    struct mailbox *box = x_alloc(sizeof(*box));
    pthread_mutex_init(&box->mutex, NULL);
    box->last = &box->first;
    box->cap = cap;
    box->fd = fd;
    return box;
}

void mailbox_free(struct mailbox *box)
{
    if (!box) {
        return;
    }
    for (struct mail *mail = box->first, *next; mail; mail = next) {
        next = mail->next;
        mail->discard(mail);
    }
    close(box->fd);
    pthread_mutex_destroy(&box->mutex);
    free(box);
}

static enum err post(struct mailbox *box, struct mail *mail, size_t cap)
{
    mail->next = NULL;
    pthread_mutex_lock(&box->mutex);
    bool full = box->length >= cap;
    bool was_empty = box->first == NULL;
    if (!full) {
        *box->last = mail;
        box->last = &mail->next;
        box->length++;
    }
    pthread_mutex_unlock(&box->mutex);
    if (!full && was_empty) {
        uint64_t one = 1;
        /* Can only fail with a full counter, and then the receiver is awake already. */
        ssize_t rc = write(box->fd, &one, sizeof(one));
        (void) rc;
    }
    return full ? ERR_AGAIN : ERR_NONE;
}

enum err mailbox_post(struct mailbox *box, struct mail *mail)
{
    return post(box, mail, box->cap);
}

void mailbox_post_must(struct mailbox *box, struct mail *mail)
{
    enum err rc = post(box, mail, SIZE_MAX);
    (void) rc;
}

int mailbox_fd(const struct mailbox *box)
{
    return box->fd;
}

size_t mailbox_take(struct mailbox *box, void *receiver)
{
    uint64_t count;
    /* Before the list is taken: a sender that comes between the two finds the box empty and writes
     * again. The other way round its wake-up would be swallowed. */
    ssize_t rc = read(box->fd, &count, sizeof(count));
    (void) rc;
    pthread_mutex_lock(&box->mutex);
    struct mail *mail = box->first;
    box->first = NULL;
    box->last = &box->first;
    box->length = 0;
    pthread_mutex_unlock(&box->mutex);
    size_t delivered = 0;
    for (struct mail *next; mail; mail = next) {
        next = mail->next; /* the receiver may free it */
        mail->deliver(mail, receiver);
        delivered++;
    }
    return delivered;
}
