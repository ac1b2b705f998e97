/* SPDX-License-Identifier: MIT */
/*
 * What is counted of delegations, for metrics and tests: files and directories
 * in the same terms (DD-18), every refusal and recall under its reason (DD-16).
 * All sets of reasons are bounded and have names.
 */
#ifndef STATE_DELEG_COUNT_H
#define STATE_DELEG_COUNT_H

#include <stddef.h>
#include <stdint.h>

#include "base/counter.h"
#include "state/deleg.h"
#include "vocab/change.h"

/* Why a request for a delegation was answered "not now". */
enum deleg_refusal {
	DELEG_REFUSED_GRACE,          /* the server is in grace */
	DELEG_REFUSED_NOT_RECLAIMED,  /* before RECLAIM_COMPLETE */
	DELEG_REFUSED_NO_LEASE,       /* the client's lease is over */
	DELEG_REFUSED_NO_BACKCHANNEL, /* or it does not answer */
	DELEG_REFUSED_PERMISSION,     /* the caller may not read it */
	DELEG_REFUSED_DUPLICATE,      /* the client has one there */
	DELEG_REFUSED_RECALL_PENDING, /* a change waits for others' returns */
	DELEG_REFUSED_REMOVED,        /* the object is or will be gone */
	DELEG_REFUSED_HOLDOFF,        /* a recall, or change, just happened */
	DELEG_REFUSED_OUTDATED,       /* the client does not know it as it is */
	DELEG_REFUSED_LIMIT,          /* the server's */
	DELEG_REFUSED_CLIENT_LIMIT,   /* the client's share */
	DELEG_REFUSED_MEMORY,         /* there is none left for more */
	DELEG_REFUSED_MARKS,          /* foreign changes would go unseen */
	DELEG_REFUSED_STORE,          /* the store cannot list it */
	DELEG_REFUSED_PSEUDO,         /* the pseudo root never changes */
	DELEG_REFUSALS,
	DELEG_NOT_REFUSED = DELEG_REFUSALS
};
const char *deleg_refusal_name(enum deleg_refusal reason);

/* What made a recall for RECALL_OVERFLOW necessary. */
enum deleg_overflow {
	DELEG_OVERFLOW_QUEUE,      /* a limit of the queue */
	DELEG_OVERFLOW_MEMORY,     /* none for the event, or over its limit */
	DELEG_OVERFLOW_INCOMPLETE, /* it lacks what the holder was promised */
	DELEG_OVERFLOW_TOO_LARGE,  /* it fits in no request */
	DELEG_OVERFLOWS
};
const char *deleg_overflow_name(enum deleg_overflow cause);

/* "child_attrs", "add_entry", ... */
const char *change_kind_name(enum change_kind kind);

enum deleg_type { DELEG_FILE, DELEG_DIR, DELEG_TYPES };
const char *deleg_type_name(enum deleg_type type);

static inline enum deleg_type deleg_type(const struct deleg *d)
{
	return d->is_dir ? DELEG_DIR : DELEG_FILE;
}

/* The counters themselves, in deleg_books. */
struct deleg_type_counts {
	struct counter outstanding, being_recalled, granted, revoked;
	struct counter refused[DELEG_REFUSALS];
	struct counter recalled[RECALL_REASONS];
	struct counter late_returns; /* a batch was still pending */
	struct histogram recall_ms;  /* from its start to the end */
};

struct deleg_counts {
	struct deleg_type_counts type[DELEG_TYPES];
	struct counter queued[CHANGE_KINDS];  /* for each holder told */
	struct counter entries[CHANGE_KINDS]; /* of those: delivered */
	struct counter encodings;             /* shared ones once */
	struct counter overflows[DELEG_OVERFLOWS];
	struct histogram batch_events; /* of each CB_NOTIFY answered OK */
	struct histogram sent_ms;      /* from a change to its first sending */
	struct histogram answered_ms;  /* from a change to the answer OK */
};

/* @d was made, recalled, or has ended (when it was being recalled or not). */
void deleg_count_made(const struct deleg *d);
void deleg_count_recalled(const struct deleg *d);
void deleg_count_ended(const struct deleg *d, bool was_recalled);
void deleg_count_revoked(const struct deleg *d);

/* It is returned although a batch was not delivered. */
void deleg_count_returned_late(const struct deleg *d);

/* It could not be told of a change: a recall for RECALL_OVERFLOW follows. */
void deleg_count_overflow(const struct deleg *d, enum deleg_overflow cause);

/* A change was encoded for @d. */
void deleg_count_encoded(const struct deleg *d);

/* The first @n of @events were delivered to @d: their kinds and ages. */
void deleg_count_delivered(
	const struct deleg *d, struct dir_event *const *events, size_t n);

/* The first @n of @events are sent to @d for the first time. */
void deleg_count_sent(
	const struct deleg *d, struct dir_event *const *events, size_t n);

/* A request that came so far was refused, by whatever floor. */
void deleg_count_refused(
	struct state *s, enum deleg_type type, enum deleg_refusal reason);

/* All of it, read now and then. */
struct deleg_type_stats {
	uint64_t outstanding, being_recalled, granted, revoked;
	uint64_t refused[DELEG_REFUSALS];
	uint64_t recalled[RECALL_REASONS];
	uint64_t late_returns;
	struct histogram_values recall_ms;
};

struct deleg_stats {
	struct deleg_type_stats type[DELEG_TYPES];
	uint64_t queued[CHANGE_KINDS], entries[CHANGE_KINDS];
	uint64_t encodings;
	uint64_t overflows[DELEG_OVERFLOWS];
	struct histogram_values batch_events, sent_ms, answered_ms;
};
void deleg_stats_read(struct state *s, struct deleg_stats *ret);

#endif
