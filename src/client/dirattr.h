/* SPDX-License-Identifier: MIT */
/*
 * The fields of struct attr by attribute number: to copy, compare and show
 * those that were told.
 */
#ifndef CLIENT_DIRATTR_H
#define CLIENT_DIRATTR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/bitmap4.h"
#include "vocab/attr.h"

/* Which attributes have a field. */
bitmap4 dirattr_known(void);

/* Copy the fields of @mask, as far as there are any. */
void dirattr_copy(
	struct attr *to, const struct attr *from, const bitmap4 *mask);

/*
 * The same fields packed, those of @mask one behind the other: for who keeps
 * many. @told are put, the others stay as they are.
 */
size_t dirattr_packed_size(const bitmap4 *mask);
void dirattr_pack(uint8_t *to, const struct attr *from, const bitmap4 *mask,
	const bitmap4 *told);
void dirattr_unpack(struct attr *to, const uint8_t *from, const bitmap4 *mask);

/* Is the field of attribute @bit the same in both? True if it has none. */
bool dirattr_same(const struct attr *a, const struct attr *b, unsigned bit);

/* The first of @mask in which they differ; BITMAP4_BITS: none. */
unsigned dirattr_first_difference(
	const struct attr *a, const struct attr *b, const bitmap4 *mask);

/* All of @mask in which they differ. */
bitmap4 dirattr_differences(
	const struct attr *a, const struct attr *b, const bitmap4 *mask);

/* The value of attribute @bit, for people. */
void dirattr_show(
	const struct attr *attr, unsigned bit, char *text, size_t size);

#endif
