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

#endif
