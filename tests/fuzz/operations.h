/* SPDX-License-Identifier: MIT */
/*
 * Bytes that become operations: what a fuzzer finds is decoded with the
 * protocol's own codec, and where a handle or a stateid stands it may ask for
 * one that the server really gave, so that it gets past the first check.
 */
#ifndef TESTS_FUZZ_OPERATIONS_H
#define TESTS_FUZZ_OPERATIONS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "proto/nfs4.h"

#define KNOWN_MAX 16

/* What the server gave: handles and stateids of earlier replies. */
struct known {
	struct {
		uint32_t len;
		uint8_t data[NFS4_FHSIZE];
	} handles[KNOWN_MAX];
	stateid4 stateids[KNOWN_MAX];
	unsigned handles_count, stateids_count;
};

/* Remember what is in a reply. */
void known_learn(struct known *k, const COMPOUND4res *res);

/*
 * Decode operations from @data until it makes no sense: at most @max of them
 * in @ops, which point into @data and @arena. A handle of at most four bytes
 * and a stateid whose `other` begins with FUZZ_STATEID are replaced.
 */
uint32_t operations_decode(const uint8_t *data, size_t size,
	const struct known *k, struct arena *arena, nfs_argop4 *ops,
	uint32_t max);

/* other = these bytes, then which; seqid 0 stays, others count from ours. */
#define FUZZ_STATEID_MAGIC "stat"

#endif
