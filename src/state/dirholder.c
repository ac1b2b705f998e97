/* SPDX-License-Identifier: MIT */
#include "state/dirholder.h"

#include "state/batch.h"
#include "state/dirmemory.h"
#include "state/recall.h"

/* ---- telling ---- */

static bool is_entry_change(const struct dir_change *c)
{
	return DIRDELEG_ENTRY_KINDS & DIRDELEG_BIT(c->kind);
}

/* Of what is gone no attributes are told. */
static bool tells_child_attrs(const struct dir_change *c)
{
	return c->kind == CHANGE_ADD_ENTRY || c->kind == CHANGE_RENAME_ENTRY ||
		c->kind == CHANGE_CHILD_ATTRS;
}

/* Has the event what this holder was promised? */
static bool is_complete_for(const struct deleg *d, const struct dir_change *c)
{
	bool entry = is_entry_change(c);

	if (tells_child_attrs(c) && dirholder_wants_attrs(d) &&
		!c->entry.has_attr)
		return false;
	if ((entry || c->kind == CHANGE_DIR_ATTRS) &&
		dirholder_wants_dir_attrs(d) && !c->has_dir_attr)
		return false;
	return !entry || !d->order_aware || c->entry.cookie != COOKIE_NONE;
}

static void overflow(struct deleg *d, enum deleg_overflow cause)
{
	deleg_count_overflow(d, cause);
	recall_start_locked(d, RECALL_OVERFLOW);
}

void dirholder_tell(
	struct deleg *d, const struct dir_change *change, struct dir_event *e)
{
	struct deleg_books *b = deleg_books(d);

	if (!e || !is_complete_for(d, change)) {
		overflow(d,
			e ? DELEG_OVERFLOW_INCOMPLETE : DELEG_OVERFLOW_MEMORY);
		return;
	}
	if (dirmemory_is_over(b->state)) {
		overflow(d, DELEG_OVERFLOW_MEMORY);
		return;
	}
	switch (notifyq_put(&d->queue, e, state_get_config(b->state))) {
	case NOTIFYQ_PUT_FIRST:
		batch_put(d, d->state == DELEG_RECALLED);
		break;
	case NOTIFYQ_PUT_BATCH:
		batch_put(d, true);
		break;
	case NOTIFYQ_PUT:
		break;
	case NOTIFYQ_FULL:
		overflow(d, DELEG_OVERFLOW_QUEUE);
		return;
	case NOTIFYQ_NOT_TAKEN:
		return;
	}
	counter_add(&b->counts.queued[change->kind], 1);
}

struct dir_event *dirholder_event(
	struct state *s, const struct dir_change *change)
{
	return dir_event_new(change, clock_mono_ms(state_get_config(s)->clock));
}

/* ---- those whose lease is over ---- */

void expired_note(struct expired_holders *list, struct deleg *d)
{
	if (list->count < EXPIRED_AT_ONCE)
		list->deleg[list->count++] = deleg_ref(d);
}

bool expired_revoke(struct expired_holders *list)
{
	bool more = list->count == EXPIRED_AT_ONCE;

	while (list->count > 0) {
		struct deleg *d = list->deleg[--list->count];

		deleg_revoke(d, STATEID_EXPIRED, true);
		deleg_put(d);
	}
	return more;
}
