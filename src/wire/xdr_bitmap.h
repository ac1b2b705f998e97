/* SPDX-License-Identifier: MIT */
/*
 * bitmap4 on the wire: a count of words and the words, least significant
 * first. Any count is read, also 0 and more words than the standards use;
 * trailing zero words are not written.
 */
#ifndef WIRE_XDR_BITMAP_H
#define WIRE_XDR_BITMAP_H

#include "proto/bitmap4.h"
#include "wire/xdr.h"

/* More words than this are an attack, not a bitmap. */
#define XDR_BITMAP_WORDS_MAX 1024

bool nfs4_get_bitmap4(struct xdr *x, bitmap4 *v);
bool nfs4_put_bitmap4(struct xdr *x, const bitmap4 *v);

/* Bytes nfs4_put_bitmap4() writes. */
static inline size_t xdr_bitmap4_size(const bitmap4 *v)
{
	return 4 + 4 * (size_t)bitmap4_words(v);
}

#endif
