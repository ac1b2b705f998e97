/* SPDX-License-Identifier: MIT */
#include "state/deleg_count.h"

#include "state/deleg_private.h"

#define NAME_OF(names, i) \
	((unsigned)(i) < sizeof(names) / sizeof((names)[0]) ? (names)[i] : "?")

static const char *const refusal_names[DELEG_REFUSALS] = {
	[DELEG_REFUSED_GRACE] = "grace",
	[DELEG_REFUSED_NOT_RECLAIMED] = "not_reclaimed",
	[DELEG_REFUSED_NO_LEASE] = "no_lease",
	[DELEG_REFUSED_NO_BACKCHANNEL] = "no_backchannel",
	[DELEG_REFUSED_PERMISSION] = "permission",
	[DELEG_REFUSED_DUPLICATE] = "duplicate",
	[DELEG_REFUSED_RECALL_PENDING] = "recall_pending",
	[DELEG_REFUSED_REMOVED] = "removed",
	[DELEG_REFUSED_HOLDOFF] = "holdoff",
	[DELEG_REFUSED_OUTDATED] = "outdated",
	[DELEG_REFUSED_LIMIT] = "limit",
	[DELEG_REFUSED_CLIENT_LIMIT] = "client_limit",
	[DELEG_REFUSED_MEMORY] = "memory",
	[DELEG_REFUSED_MARKS] = "marks",
	[DELEG_REFUSED_STORE] = "store",
	[DELEG_REFUSED_PSEUDO] = "pseudo_root",
};

static const char *const overflow_names[DELEG_OVERFLOWS] = {
	[DELEG_OVERFLOW_QUEUE] = "queue",
	[DELEG_OVERFLOW_MEMORY] = "memory",
	[DELEG_OVERFLOW_INCOMPLETE] = "incomplete",
	[DELEG_OVERFLOW_TOO_LARGE] = "too_large",
};

static const char *const kind_names[CHANGE_KINDS] = {
	[CHANGE_CHILD_ATTRS] = "child_attrs",
	[CHANGE_DIR_ATTRS] = "dir_attrs",
	[CHANGE_REMOVE_ENTRY] = "remove_entry",
	[CHANGE_ADD_ENTRY] = "add_entry",
	[CHANGE_RENAME_ENTRY] = "rename_entry",
	[CHANGE_COOKIE_VERIFIER] = "cookie_verifier",
};

static const char *const type_names[DELEG_TYPES] = {
	[DELEG_FILE] = "file",
	[DELEG_DIR] = "directory",
};

const char *deleg_refusal_name(enum deleg_refusal reason)
{
	return NAME_OF(refusal_names, reason);
}

const char *deleg_overflow_name(enum deleg_overflow cause)
{
	return NAME_OF(overflow_names, cause);
}

const char *change_kind_name(enum change_kind kind)
{
	return NAME_OF(kind_names, kind);
}

const char *deleg_type_name(enum deleg_type type)
{
	return NAME_OF(type_names, type);
}

/* ---- counting ---- */

static struct deleg_type_counts *counts_of(const struct deleg *d)
{
	return &deleg_books(d)->counts.type[deleg_type(d)];
}

void deleg_count_made(const struct deleg *d)
{
	counter_add(&counts_of(d)->outstanding, 1);
	counter_add(&counts_of(d)->granted, 1);
}

void deleg_count_recalled(const struct deleg *d)
{
	counter_add(&counts_of(d)->being_recalled, 1);
	counter_add(&counts_of(d)->recalled[d->recall_reason], 1);
}

void deleg_count_ended(const struct deleg *d, bool was_recalled)
{
	struct deleg_type_counts *counts = counts_of(d);
	struct deleg_books *b = deleg_books(d);
	uint32_t lease_ms = state_get_config(b->state)->lease_ms;

	counter_add(&counts->outstanding, -1);
	if (!was_recalled)
		return;
	counter_add(&counts->being_recalled, -1);
	histogram_add(&counts->recall_ms,
		recall_age_ms(books_now_ms(b), d->recall_until, lease_ms));
}

void deleg_count_revoked(const struct deleg *d)
{
	counter_add(&counts_of(d)->revoked, 1);
}

void deleg_count_returned_late(const struct deleg *d)
{
	counter_add(&counts_of(d)->late_returns, 1);
}

void deleg_count_overflow(const struct deleg *d, enum deleg_overflow cause)
{
	counter_add(&deleg_books(d)->counts.overflows[cause], 1);
}

void deleg_count_encoded(const struct deleg *d)
{
	counter_add(&deleg_books(d)->counts.encodings, 1);
}

static void count_ages(struct histogram *h, uint64_t now_ms,
	struct dir_event *const *events, size_t n)
{
	for (size_t i = 0; i < n; i++)
		histogram_add(h, now_ms - events[i]->when_ms);
}

void deleg_count_sent(
	const struct deleg *d, struct dir_event *const *events, size_t n)
{
	struct deleg_books *b = deleg_books(d);

	count_ages(&b->counts.sent_ms, books_now_ms(b), events, n);
}

void deleg_count_delivered(
	const struct deleg *d, struct dir_event *const *events, size_t n)
{
	struct deleg_books *b = deleg_books(d);

	count_ages(&b->counts.answered_ms, books_now_ms(b), events, n);
	for (size_t i = 0; i < n; i++)
		counter_add(&b->counts.entries[events[i]->kind], 1);
}

void deleg_count_refused(
	struct state *s, enum deleg_type type, enum deleg_refusal reason)
{
	counter_add(
		&state_deleg_books(s)->counts.type[type].refused[reason], 1);
}

/* ---- reading ---- */

static void read_all(const struct counter *from, uint64_t *to, size_t n)
{
	for (size_t i = 0; i < n; i++)
		to[i] = counter_read(&from[i]);
}

static void read_type(
	const struct deleg_type_counts *from, struct deleg_type_stats *to)
{
	to->outstanding = counter_read(&from->outstanding);
	to->being_recalled = counter_read(&from->being_recalled);
	to->granted = counter_read(&from->granted);
	to->revoked = counter_read(&from->revoked);
	read_all(from->refused, to->refused, DELEG_REFUSALS);
	read_all(from->recalled, to->recalled, RECALL_REASONS);
	to->late_returns = counter_read(&from->late_returns);
	histogram_read(&from->recall_ms, &to->recall_ms);
}

void deleg_stats_read(struct state *s, struct deleg_stats *ret)
{
	const struct deleg_counts *from = &state_deleg_books(s)->counts;

	for (int t = 0; t < DELEG_TYPES; t++)
		read_type(&from->type[t], &ret->type[t]);
	read_all(from->queued, ret->queued, CHANGE_KINDS);
	read_all(from->entries, ret->entries, CHANGE_KINDS);
	ret->encodings = counter_read(&from->encodings);
	read_all(from->overflows, ret->overflows, DELEG_OVERFLOWS);
	histogram_read(&from->batch_events, &ret->batch_events);
	histogram_read(&from->sent_ms, &ret->sent_ms);
	histogram_read(&from->answered_ms, &ret->answered_ms);
}
