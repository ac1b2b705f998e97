/* SPDX-License-Identifier: MIT */
/*
 * Bytes of variable length as they stand on the wire: XDR's opaque<> and
 * string<>, names and owner strings included. Not terminated by NUL, not
 * owned: a decoded one points into the receive buffer and dies with the call.
 */
#ifndef PROTO_OPAQUE_H
#define PROTO_OPAQUE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct xdr_opaque {
	uint32_t len;
	const uint8_t *data; /* may be NULL when len is 0 */
};

/* The bytes of a C string, without its NUL; @s is borrowed. */
static inline struct xdr_opaque xdr_opaque_from_str(const char *s)
{
	return (struct xdr_opaque){
		.len = (uint32_t)strlen(s), .data = (const uint8_t *)s};
}

/* @len bytes at @data, borrowed. */
static inline struct xdr_opaque xdr_opaque_from(const void *data, uint32_t len)
{
	return (struct xdr_opaque){.len = len, .data = (const uint8_t *)data};
}

static inline bool xdr_opaque_equal(
	const struct xdr_opaque *a, const struct xdr_opaque *b)
{
	return a->len == b->len &&
		(a->len == 0 || memcmp(a->data, b->data, a->len) == 0);
}

#endif
