/* SPDX-License-Identifier: MIT */
/*
 * One component of a path as the wire carries it: bytes, not terminated.
 * Borrowed unless said otherwise.
 */
#ifndef VOCAB_NAME_H
#define VOCAB_NAME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#define NAME_LEN_MAX 255

struct name {
	uint32_t len;
	const char *data;
};

static inline struct name name_from_str(const char *s)
{
	return (struct name){.len = strlen(s), .data = s};
}

static inline bool name_equal(struct name a, struct name b)
{
	return a.len == b.len &&
		(a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

#endif
