/* SPDX-License-Identifier: MIT */
/*
 * The XDR cursor (RFC 4506): a position in one contiguous buffer that is read
 * or written from front to back. It is not a stream and does no I/O.
 *
 * Failure is sticky: what does not fit, or is not what XDR allows, sets `bad`,
 * and from then on nothing is read or written; getters leave zero behind. So
 * callers may check once at the end. Every length is checked against what is
 * left before anything is allocated for it.
 *
 * Encoding can be taken back: xdr_mark() before, xdr_truncate() after, and an
 * overflow since the mark is forgotten.
 */
#ifndef WIRE_XDR_H
#define WIRE_XDR_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/arena.h"
#include "proto/opaque.h"

/* The mark of a cursor that was bad already, the reservation that failed. */
#define XDR_NOWHERE SIZE_MAX

struct xdr {
	uint8_t *data; /* never written through while decoding */
	size_t pos;
	size_t limit;        /* reading or writing stops here */
	size_t size;         /* bytes at data; limit <= size */
	struct arena *arena; /* where decoded arrays go; borrowed */
	bool bad;
	bool nomem; /* bad because the arena gave nothing, not the peer */
};

/* Read @len bytes at @buf; both @buf and @arena are borrowed. */
static inline void xdr_init_decode(
	struct xdr *x, const void *buf, size_t len, struct arena *arena)
{
	*x = (struct xdr){.data = (uint8_t *)(uintptr_t)buf,
		.limit = len,
		.size = len,
		.arena = arena};
}

/* Write at most @size bytes to @buf, which is borrowed. */
static inline void xdr_init_encode(struct xdr *x, void *buf, size_t size)
{
	*x = (struct xdr){.data = buf, .limit = size, .size = size};
}

/* Bytes read or written so far. */
static inline size_t xdr_pos(const struct xdr *x)
{
	return x->pos;
}

/* Bytes that may still be read or written. */
static inline size_t xdr_left(const struct xdr *x)
{
	return x->limit - x->pos;
}

/*
 * Stop at @limit bytes from the start of the buffer, which may be less or
 * more than before, but not less than what is done nor more than there is.
 */
static inline void xdr_set_limit(struct xdr *x, size_t limit)
{
	if (limit > x->size)
		limit = x->size;
	x->limit = limit < x->pos ? x->pos : limit;
}

static inline bool xdr_fail(struct xdr *x)
{
	x->bad = true;
	return false;
}

/* Bytes that @len bytes occupy with their padding; no overflow check. */
static inline size_t xdr_padded(size_t len)
{
	return (len + 3) & ~(size_t)3;
}

/* The next @len bytes, or NULL and bad. */
static inline uint8_t *xdr_take(struct xdr *x, size_t len)
{
	if (__builtin_expect(x->bad || len > xdr_left(x), 0)) {
		x->bad = true;
		return NULL;
	}
	x->pos += len;
	return x->data + x->pos - len;
}

/* As above, and the padding that follows @len bytes is taken, too. */
static inline uint8_t *xdr_take_padded(struct xdr *x, size_t len)
{
	if (len > xdr_left(x)) { /* so that padding cannot overflow */
		x->bad = true;
		return NULL;
	}
	return xdr_take(x, xdr_padded(len));
}

/* ---- decoding ---- */

static inline bool xdr_get_u32(struct xdr *x, uint32_t *v)
{
	const uint8_t *at = xdr_take(x, 4);
	uint32_t be = 0;

	if (at)
		memcpy(&be, at, 4);
	*v = be32toh(be);
	return at;
}

static inline bool xdr_get_i32(struct xdr *x, int32_t *v)
{
	uint32_t u;
	bool ok = xdr_get_u32(x, &u);

	*v = (int32_t)u;
	return ok;
}

static inline bool xdr_get_u64(struct xdr *x, uint64_t *v)
{
	const uint8_t *at = xdr_take(x, 8);
	uint64_t be = 0;

	if (at)
		memcpy(&be, at, 8);
	*v = be64toh(be);
	return at;
}

static inline bool xdr_get_i64(struct xdr *x, int64_t *v)
{
	uint64_t u;
	bool ok = xdr_get_u64(x, &u);

	*v = (int64_t)u;
	return ok;
}

static inline bool xdr_get_bool(struct xdr *x, bool *v)
{
	uint32_t u;

	xdr_get_u32(x, &u);
	*v = u == 1;
	return u > 1 ? xdr_fail(x) : !x->bad;
}

/* @len bytes and their padding, copied; zeroes when they are not there. */
static inline bool xdr_get_opaque_fixed(struct xdr *x, void *to, size_t len)
{
	const uint8_t *at = xdr_take_padded(x, len);

	if (at)
		memcpy(to, at, len);
	else
		memset(to, 0, len);
	return at;
}

/*
 * A length and that many bytes, at most @max; they stay in the buffer. The
 * padding may hold anything: RFC 4506 asks for zeroes, no peer checks them.
 */
static inline bool xdr_get_opaque_var(
	struct xdr *x, struct xdr_opaque *v, uint32_t max)
{
	uint32_t len;

	*v = (struct xdr_opaque){.len = 0};
	xdr_get_u32(x, &len);
	if (len > max)
		return xdr_fail(x);
	v->data = xdr_take_padded(x, len);
	v->len = v->data ? len : 0;
	return v->data;
}

/* @len bytes and their padding, left where they are; NULL and bad if short. */
static inline const uint8_t *xdr_get_bytes(struct xdr *x, size_t len)
{
	return xdr_take_padded(x, len);
}

/* One cleared object of @size bytes from the arena, or NULL and bad. */
void *xdr_alloc(struct xdr *x, size_t size);

/*
 * The head of an array: its count, at most @max, and memory for that many
 * elements of @size bytes, cleared. @wire_min is the fewest bytes an element
 * can take on the wire: a count that cannot be true is bad and allocates
 * nothing. NULL when the count is 0, too; *@count is 0 on failure.
 */
void *xdr_get_array(struct xdr *x, uint32_t *count, uint32_t max,
	size_t wire_min, size_t size);

/* ---- encoding ---- */

static inline bool xdr_put_u32(struct xdr *x, uint32_t v)
{
	uint8_t *at = xdr_take(x, 4);
	uint32_t be = htobe32(v);

	if (at)
		memcpy(at, &be, 4);
	return at;
}

static inline bool xdr_put_i32(struct xdr *x, int32_t v)
{
	return xdr_put_u32(x, (uint32_t)v);
}

static inline bool xdr_put_u64(struct xdr *x, uint64_t v)
{
	uint8_t *at = xdr_take(x, 8);
	uint64_t be = htobe64(v);

	if (at)
		memcpy(at, &be, 8);
	return at;
}

static inline bool xdr_put_i64(struct xdr *x, int64_t v)
{
	return xdr_put_u64(x, (uint64_t)v);
}

static inline bool xdr_put_bool(struct xdr *x, bool v)
{
	return xdr_put_u32(x, v);
}

/* Room for @len bytes whose padding is zeroed, or NULL and bad. */
static inline uint8_t *xdr_put_room(struct xdr *x, size_t len)
{
	uint8_t *at = xdr_take_padded(x, len);

	if (at)
		memset(at + len, 0, xdr_padded(len) - len);
	return at;
}

static inline bool xdr_put_opaque_fixed(
	struct xdr *x, const void *from, size_t len)
{
	uint8_t *at = xdr_put_room(x, len);

	if (at && len)
		memcpy(at, from, len);
	return at;
}

/* A length and that many bytes; more than @max is bad. */
static inline bool xdr_put_opaque_var(
	struct xdr *x, const struct xdr_opaque *v, uint32_t max)
{
	if (v->len > max)
		return xdr_fail(x);
	return xdr_put_u32(x, v->len) &&
		xdr_put_opaque_fixed(x, v->data, v->len);
}

/* Zeroes up to the next multiple of four from the start of the buffer. */
static inline bool xdr_pad(struct xdr *x)
{
	size_t len = xdr_padded(x->pos) - x->pos;
	uint8_t *at = xdr_take(x, len);

	if (at)
		memset(at, 0, len);
	return at;
}

/*
 * Leave @len bytes to be filled in later; where they are, for xdr_patch_u32(),
 * or XDR_NOWHERE and bad.
 */
static inline size_t xdr_reserve(struct xdr *x, size_t len)
{
	size_t at = x->pos;

	return xdr_take(x, len) ? at : XDR_NOWHERE;
}

/* Write over four bytes already put; XDR_NOWHERE is ignored. */
static inline void xdr_patch_u32(struct xdr *x, size_t at, uint32_t v)
{
	uint32_t be = htobe32(v);

	if (at <= x->pos && x->pos - at >= 4)
		memcpy(x->data + at, &be, 4);
}

/* A place to come back to; XDR_NOWHERE when the cursor is bad already. */
static inline size_t xdr_mark(const struct xdr *x)
{
	return x->bad ? XDR_NOWHERE : x->pos;
}

/*
 * Take back everything since the mark, a failure included. What failed before
 * the mark stays so: XDR_NOWHERE changes nothing.
 */
static inline void xdr_truncate(struct xdr *x, size_t mark)
{
	if (mark > x->pos)
		return;
	x->pos = mark;
	x->bad = false;
	x->nomem = false;
}

#endif
