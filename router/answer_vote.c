#include "router/answer.h"

/* How many vote for the same as vote i; 0 unless i is the first of them. */
static size_t votes_from(const struct answer votes[], size_t count, size_t i)
{
    size_t n = 0;
    for (size_t j = 0; j < count; j++) {
        if (answer_equal(&votes[i], &votes[j])) {
            if (j < i) {
                return 0;
            }
            n++;
        }
    }
    return n;
}

/* The winner or -1, its votes and those of the strongest other answer. */
static int count_votes(const struct answer votes[], size_t count, size_t *most, size_t *second)
{
    int winner = -1;
    *most = *second = 0;
    for (size_t i = 0; i < count; i++) {
        size_t n = votes_from(votes, count, i);
        if (n > *most) {
            winner = (int) i;
            *second = *most;
            *most = n;
        } else if (n > *second) {
            *second = n;
        }
    }
    return winner;
}

int answer_vote(const struct answer votes[], size_t count)
{
    size_t most, second;
    return count_votes(votes, count, &most, &second);
}

bool answer_is_decided(const struct answer votes[], size_t count, size_t left)
{
    size_t most, second;
    count_votes(votes, count, &most, &second);
    /* A tie is not decided: a vote that is still out may come earlier in the order. */
    return left == 0 || most > second + left;
}
