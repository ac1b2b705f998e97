/* SPDX-License-Identifier: MIT */
/*
 * The decisions about directory delegations, as functions of their inputs
 * alone: on which terms one is granted, and what a change means for one
 * holder. tests/unit/state/test_policy.c walks the whole input space.
 */
#ifndef STATE_POLICY_DIRDELEG_H
#define STATE_POLICY_DIRDELEG_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/nfs4.h"
#include "state/deleg.h"
#include "vocab/change.h"

#define DIRDELEG_BIT(n) (UINT32_C(1) << (n))

/* The kinds, bits 0 to 5; what says where an entry is or went. */
#define DIRDELEG_KINDS (DIRDELEG_BIT(CHANGE_KINDS) - 1)
#define DIRDELEG_ENTRY_KINDS                                                  \
	(DIRDELEG_BIT(CHANGE_REMOVE_ENTRY) | DIRDELEG_BIT(CHANGE_ADD_ENTRY) | \
		DIRDELEG_BIT(CHANGE_RENAME_ENTRY))

/* Flags among the notification types, of rfc8881bis. */
#define DIRDELEG_EXTEND DIRDELEG_BIT(NOTIFY4_GFLAG_EXTEND)
#define DIRDELEG_ORDER  DIRDELEG_BIT(NOTIFY4_CFLAG_ORDER)

struct dirdeleg_ask {
	uint32_t requested;  /* gdda_notification_types, the first word */
	uint32_t supported;  /* kinds this build can notify */
	bool classic_notify; /* config: serve requests without EXTEND */
	bool has_order;      /* the store tells cookies and positions */
	bool has_told;       /* it is known which names a child has there */
	bool child_attrs;    /* attributes that change: of children, */
	bool dir_attrs;      /* of the directory are asked for */
	bool fits;           /* the largest single event fits in a request */
};

struct dirdeleg_offer {
	uint32_t kinds;   /* granted; 0 = recall only */
	uint32_t reply;   /* gddr_notification: kinds and honoured flags */
	bool order_aware; /* cookies, previous entry, own changes */
};

/*
 * Is there an attribute among these whose changes are told? A promise to tell
 * of what never changes, or of the access time, is none.
 */
static inline bool dirdeleg_has_changing(const bitmap4 *attrs)
{
	static const unsigned changing[] = {FATTR4_CHANGE, FATTR4_SIZE,
		FATTR4_MODE, FATTR4_NUMLINKS, FATTR4_OWNER, FATTR4_OWNER_GROUP,
		FATTR4_SPACE_USED, FATTR4_TIME_METADATA, FATTR4_TIME_MODIFY};

	for (size_t i = 0; i < sizeof(changing) / sizeof(changing[0]); i++) {
		if (bitmap4_has(attrs, changing[i]))
			return true;
	}
	return false;
}

/*
 * RFC 8881 18.39 and rfc8881bis: a client is order-aware when it does not set
 * EXTEND, or sets ORDER. Whoever asked for kinds and gets none gets a plain
 * recall-only delegation: then no flag is echoed either. Changes of attributes
 * are promised only to who named some that change.
 */
static inline struct dirdeleg_offer dirdeleg_offer(
	const struct dirdeleg_ask *ask)
{
	uint32_t asked = ask->requested & DIRDELEG_KINDS;
	bool extend = ask->requested & DIRDELEG_EXTEND;
	bool order = ask->requested & DIRDELEG_ORDER;
	struct dirdeleg_offer offer = {.order_aware = order || !extend};

	offer.kinds = asked & ask->supported;
	if (!ask->fits || (!extend && !ask->classic_notify))
		offer.kinds = 0;
	if (offer.order_aware && !ask->has_order)
		offer.kinds &= ~DIRDELEG_ENTRY_KINDS;
	if (!ask->has_told || !ask->child_attrs)
		offer.kinds &= ~DIRDELEG_BIT(CHANGE_CHILD_ATTRS);
	if (!ask->dir_attrs)
		offer.kinds &= ~DIRDELEG_BIT(CHANGE_DIR_ATTRS);
	if (asked && !offer.kinds)
		return offer;
	offer.reply = offer.kinds;
	if (extend)
		offer.reply |= DIRDELEG_EXTEND;
	if (order && ask->has_order && (extend || ask->classic_notify))
		offer.reply |= DIRDELEG_ORDER;
	return offer;
}

/*
 * Must it be known what the directory contains? Children are found by it, and
 * changes on the server's disk (@watched) are compared with it; who takes
 * recalls only is recalled whatever was changed.
 */
static inline bool dirdeleg_needs_told(uint32_t kinds, bool watched)
{
	return (kinds & DIRDELEG_BIT(CHANGE_CHILD_ATTRS)) || (watched && kinds);
}

/* Does any of these kinds carry attributes of children? */
static inline bool dirdeleg_tells_child_attrs(uint32_t kinds)
{
	return kinds &
		(DIRDELEG_BIT(CHANGE_CHILD_ATTRS) |
			DIRDELEG_BIT(CHANGE_ADD_ENTRY) |
			DIRDELEG_BIT(CHANGE_RENAME_ENTRY));
}

#define DIRDELEG_DELAY_MAX_MS (60 * 60 * 1000)

/*
 * How long changes of a child are gathered before they are told: what the
 * client asked for, not less than the server's least, which is attribute 57.
 */
static inline uint32_t dirdeleg_child_delay(uint32_t asked_ms, uint32_t min_ms)
{
	uint32_t ms = asked_ms < min_ms ? min_ms : asked_ms;

	return ms < DIRDELEG_DELAY_MAX_MS ? ms : DIRDELEG_DELAY_MAX_MS;
}

/* A holder, as far as a change is concerned. */
struct dirdeleg_holder {
	uint32_t granted; /* kinds */
	bool own;         /* it makes the change itself */
	bool order_aware;
	enum deleg_state state;
	bool stopped; /* its queue: it is told by its recall only */
	bool expired; /* its lease is over */
};

enum dirdeleg_verdict {
	DIRDELEG_NOTHING,
	DIRDELEG_NOTIFY,
	DIRDELEG_RECALL, /* and the change waits for its return */
	DIRDELEG_REVOKE, /* now; the change does not wait */
};

/*
 * Is its own change told to an order-aware client (RFC 8881 10.9.2)? That
 * cookies moved with it, too: it was given them to rely on.
 */
static inline bool dirdeleg_hears_itself(
	const struct dirdeleg_holder *h, enum change_kind kind)
{
	if (!h->order_aware)
		return false;
	if (kind == CHANGE_COOKIE_VERIFIER) /* it was given cookies */
		return h->granted & DIRDELEG_ENTRY_KINDS;
	return DIRDELEG_ENTRY_KINDS & DIRDELEG_BIT(kind);
}

/*
 * What a change of @kind means for @h. A queue that was stopped belongs to a
 * holder that is losing its delegation: a kind it subscribed to does not wait
 * for that, as it never waits for a notification.
 */
static inline enum dirdeleg_verdict dirdeleg_judge(
	const struct dirdeleg_holder *h, enum change_kind kind)
{
	bool covered = h->granted & DIRDELEG_BIT(kind);

	if (h->state == DELEG_RETURNED || h->state == DELEG_REVOKED)
		return DIRDELEG_NOTHING;
	if (h->own && !dirdeleg_hears_itself(h, kind))
		return DIRDELEG_NOTHING;
	if (!covered && kind == CHANGE_CHILD_ATTRS)
		return DIRDELEG_NOTHING;
	if (!covered && h->own && kind != CHANGE_COOKIE_VERIFIER)
		return DIRDELEG_NOTHING;
	if (h->expired && !h->own)
		return DIRDELEG_REVOKE;
	if (!covered)
		return DIRDELEG_RECALL;
	return h->stopped ? DIRDELEG_NOTHING : DIRDELEG_NOTIFY;
}

/* Why an uncovered change recalls: it has no notifications, or not this. */
static inline enum recall_reason dirdeleg_recall_reason(uint32_t granted)
{
	return granted ? RECALL_UNSUBSCRIBED : RECALL_CONFLICT;
}

/*
 * Does a SETATTR of these SETATTR_* recall whoever does not cover it? All but
 * one of the access time alone (DD-03).
 */
static inline bool dirdeleg_setattr_recalls(uint32_t mask)
{
	return mask & ~(uint32_t)(SETATTR_ATIME | SETATTR_ATIME_NOW);
}

/* Can it change who may read the directory (DD-12)? */
static inline bool dirdeleg_setattr_permits(uint32_t mask)
{
	return mask &
		(SETATTR_MODE | SETATTR_MODE_MASKED | SETATTR_UID |
			SETATTR_GID);
}

/*
 * The limits on all directory delegations (DD-10): how many, and how much
 * memory. From 90 % of either on, the client with the most is asked to give
 * some back as it sees fit; at the limit nothing is granted, and its oldest is
 * recalled, if it has more than its share, to make room for others.
 */
enum dirdeleg_pressure {
	DIRDELEG_ROOM,
	DIRDELEG_ASK,    /* CB_RECALL_ANY */
	DIRDELEG_RECLAIM /* CB_RECALL */
};

static inline enum dirdeleg_pressure dirdeleg_pressure(
	uint64_t total, uint64_t max)
{
	if (total >= max)
		return DIRDELEG_RECLAIM;
	return total >= max - max / 10 ? DIRDELEG_ASK : DIRDELEG_ROOM;
}

/* The tighter one of two limits. */
static inline enum dirdeleg_pressure dirdeleg_tighter(
	enum dirdeleg_pressure a, enum dirdeleg_pressure b)
{
	return a > b ? a : b;
}

/*
 * What delegations that are out make us keep may take a quarter more, so that
 * those are not given up for each change at the limit; then what grows goes.
 */
static inline bool dirdeleg_memory_is_over(uint64_t bytes, uint64_t max)
{
	return bytes > max && bytes - max > max / 4;
}

/* Has a client with @held of all @out more than one of @clients should? */
static inline bool dirdeleg_above_share(
	uint32_t held, uint32_t out, uint32_t clients)
{
	return (uint64_t)held * clients > out;
}

/* What @len bytes of opaque take with their length. */
static inline uint32_t dirdeleg_opaque_size(uint32_t len)
{
	return 4 + (len + 3) / 4 * 4;
}

/*
 * The largest CB_NOTIFY request with one event: a rename of the longest names
 * over an entry, with cookies, previous entry and @attr_bytes of attributes,
 * then @dir_attr_bytes of the directory's own, sent with the largest AUTH_SYS
 * credential and one referring call.
 */
static inline uint32_t dirdeleg_worst_request(
	uint32_t fh_len, uint32_t attr_bytes, uint32_t dir_attr_bytes)
{
	uint32_t rpc = 24 + (8 + 400) + 8;
	uint32_t compound = 16 + 40 + (16 + 4 + 8);
	uint32_t notify = 4 + 16 + dirdeleg_opaque_size(fh_len) + 4;
	uint32_t name = dirdeleg_opaque_size(NAME_LEN_MAX);
	uint32_t bare = name + 4 + 4; /* an entry without attributes */
	uint32_t remove = bare + 8;   /* with its cookie */
	uint32_t entry = name + (4 + 4 * BITMAP4_WORDS) + 4 + attr_bytes;
	uint32_t add = (4 + remove) + entry + (4 + 8) + (4 + bare + 8) + 4;
	uint32_t dir =
		(8 + 4) + 4 + (4 + 4 * BITMAP4_WORDS) + 4 + dir_attr_bytes;

	return rpc + compound + notify + (8 + 4) + remove + add + dir;
}

#endif
