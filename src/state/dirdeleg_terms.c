/* SPDX-License-Identifier: MIT */
/* Terms of directory delegations: those alike are one, for all their users. */
#include <stdlib.h>

#include "base/cleanup.h"
#include "state/deleg_private.h"
#include "state/dirdeleg.h"

static uint64_t terms_hash(const struct deleg_terms *t)
{
	uint32_t words[2 * BITMAP4_WORDS + 3];

	for (int i = 0; i < BITMAP4_WORDS; i++) {
		words[i] = t->child_attrs.word[i];
		words[BITMAP4_WORDS + i] = t->dir_attrs.word[i];
	}
	words[2 * BITMAP4_WORDS] = t->child_delay_ms;
	words[2 * BITMAP4_WORDS + 1] = t->cred.uid;
	words[2 * BITMAP4_WORDS + 2] = t->cred.gid;
	return htab_hash(words, sizeof(words));
}

static bool are_alike(const struct deleg_terms *a, const struct deleg_terms *b)
{
	return bitmap4_equal(&a->child_attrs, &b->child_attrs) &&
		bitmap4_equal(&a->dir_attrs, &b->dir_attrs) &&
		a->child_delay_ms == b->child_delay_ms &&
		cred_equal(&a->cred, &b->cred);
}

struct deleg_terms *dirdeleg_terms_get(
	struct deleg_books *b, const struct deleg_terms *like)
{
	uint64_t hash = terms_hash(like);
	struct htab_link *at;
	struct deleg_terms *t;

	scope_lock(&b->lock);
	htab_for_each_match(at, &b->terms, hash) {
		t = container_of(at, struct deleg_terms, link);
		if (are_alike(t, like)) {
			t->users++;
			return t;
		}
	}
	t = malloc(sizeof(*t));
	if (!t)
		return NULL;
	*t = *like;
	t->users = 1;
	htab_insert(&b->terms, &t->link, hash);
	return t;
}

void dirdeleg_terms_put(struct deleg_books *b, struct deleg_terms *t)
{
	if (!t)
		return;
	scope_lock(&b->lock);
	if (--t->users)
		return;
	htab_remove(&b->terms, &t->link);
	free(t);
}
