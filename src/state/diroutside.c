/* SPDX-License-Identifier: MIT */
#include "state/diroutside.h"

#include <assert.h>

#include "state/dirchange_private.h"
#include "state/dirholder.h"
#include "state/dirside.h"
#include "state/recall.h"

/* Of no kind: whoever takes recalls only. True: others are left to be told. */
static bool recall_plain(struct dirchange *dc, bool all)
{
	struct node *n = dc->dir[0];
	struct deleg *d;
	bool others = false;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		dc->held = true;
		if (all || !d->granted)
			recall_start_locked(d, RECALL_LOCAL_CHANGE);
		else
			others = true;
	}
	lock_release(&n->lock);
	return others;
}

struct told *diroutside_told(struct dirchange *dc)
{
	struct told *told = dirside_told(dc->dir[0]);

	assert(dc->locked && !dc->who);
	if (recall_plain(dc, !told))
		return told;
	told_put(told);
	return NULL;
}

void diroutside_recall_uncovered(struct dirchange *dc, enum change_kind kind)
{
	struct node *n = dc->dir[0];
	struct deleg *d;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node) {
		struct dirdeleg_holder h = dirholder_of(d, NULL, 0);

		dc->held = true;
		if (dirdeleg_judge(&h, kind) == DIRDELEG_RECALL)
			recall_start_locked(d, RECALL_LOCAL_CHANGE);
	}
	lock_release(&n->lock);
}

void diroutside_admit(struct dirchange *dc, const struct dirchange_plan *plan)
{
	assert(dc->locked && !dc->admitted && !plan->victim);
	diroutside_recall_uncovered(dc, plan->kind[0]);
	dirchange_judge_all(dc, 0, plan->kind[0], true);
	dirchange_begin_values(dc, plan);
}
