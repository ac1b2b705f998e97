/* SPDX-License-Identifier: MIT */
/*
 * The identity of one object of a store: bytes that name it for as long as it
 * exists, unique over all stores of this server and over its restarts. A
 * filehandle is a fileid wrapped for one export (nfs/fh); state hangs on the
 * fileid, so that two exports of one file share it.
 */
#ifndef VOCAB_FILEID_H
#define VOCAB_FILEID_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* NFS4_FHSIZE less the filehandle's own header and MAC. */
#define FILEID_MAX 104

struct fileid {
	uint8_t len; /* 0 = none */
	uint8_t data[FILEID_MAX];
};

static inline bool fileid_equal(const struct fileid *a, const struct fileid *b)
{
	return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}

/* A fileid in hexadecimal, for a line of the log. */
struct fileid_text {
	char s[2 * FILEID_MAX + 1];
};

static inline struct fileid_text fileid_text(const struct fileid *id)
{
	static const char digits[] = "0123456789abcdef";
	struct fileid_text text = {""};

	for (unsigned i = 0; i < id->len; i++) {
		text.s[2 * i] = digits[id->data[i] >> 4];
		text.s[2 * i + 1] = digits[id->data[i] & 15];
	}
	return text;
}

#endif
