/* SPDX-License-Identifier: MIT */
#include "state/dirside.h"

#include <stdlib.h>

#include "base/cleanup.h"
#include "state/deleg_private.h"
#include "state/policy_dirdeleg.h"
#include "state/recall.h"

/* ---- the told set ---- */

struct told *dirside_told(struct node *n)
{
	scope_lock(&n->lock);
	if (!n->side || !n->side->told)
		return NULL;
	return told_ref(n->side->told);
}

static struct told *sample(
	const struct dirdeleg_request *request, uint32_t max_entries)
{
	struct told *told = told_new(max_entries);

	if (!told)
		return NULL;
	if (request->sample(request->sample_ctx, told) == 0)
		return told;
	told_put(told);
	return NULL;
}

struct told *dirside_sample(
	struct node *n, const struct dirdeleg_request *request)
{
	struct told *told = dirside_told(n);

	if (told || !request->sample)
		return told;
	return sample(request, state_get_config(n->state)->told_max_entries);
}

/* ---- coming and going ---- */

struct dirside *dirside_spare(void)
{
	return calloc(1, sizeof(struct dirside));
}

void dirside_join_locked(
	struct deleg *d, struct told *told, struct dirside **spare)
{
	struct node *n = d->sid.node;

	lock_assert_held(&n->lock);
	if (!n->side) {
		n->side = *spare;
		*spare = NULL;
	}
	if (!n->side->told)
		n->side->told = told_ref(told);
	n->side->told_users++;
	d->needs_told = true;
}

struct dirside *dirside_leave_locked(struct deleg *d)
{
	struct node *n = d->sid.node;
	struct dirside *side = n->side;

	lock_assert_held(&n->lock);
	if (!d->needs_told)
		return NULL;
	d->needs_told = false;
	if (--side->told_users)
		return NULL;
	n->side = NULL;
	return side;
}

void dirside_free(struct dirside *side)
{
	if (!side)
		return;
	told_put(side->told);
	free(side);
}

/* ---- changes ---- */

/* From now on nobody knows which names a changed child has here. */
static void lose_told(struct node *n)
{
	struct told *told = NULL;
	struct deleg *d;

	lock_acquire(&n->lock);
	if (n->side) {
		told = n->side->told;
		n->side->told = NULL;
	}
	list_for_each_entry(d, &n->delegs, on_node) {
		if (d->granted & DIRDELEG_BIT(CHANGE_CHILD_ATTRS))
			recall_start_locked(d, RECALL_RESOURCE);
	}
	lock_release(&n->lock);
	told_put(told);
}

void dirside_apply(struct node *n, const struct dir_change *change)
{
	struct told *told = dirside_told(n);

	if (!told)
		return;
	if (told_apply(told, change) < 0)
		lose_told(n);
	told_put(told);
}
