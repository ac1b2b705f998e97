/* SPDX-License-Identifier: MIT */
/*
 * Record marking (RFC 5531 section 11): bytes of a stream to whole records.
 * Pure assembly: no sockets, no locks, one thread at a time.
 *
 * A peer's promise allocates nothing: a record's memory grows with the bytes
 * that arrived, at most to double of them up to RECORD_SMALL; then the record
 * moves into a buffer of the pool, untouched pages of which cost nothing.
 */
#ifndef RPC_RECORD_H
#define RPC_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "rpc/buf.h"

#define RECORD_SMALL     (64 * 1024) /* above: a buffer of the pool */
#define RECORD_FIRST     (8 * 1024)
#define RECORD_EMPTY_MAX 8 /* empty fragments in one record */
#define RECORD_MARK_SIZE 4
#define RECORD_MARK_LAST 0x80000000u

/* Memory with the bytes of one record; larger than RECORD_SMALL: pooled. */
struct record {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

enum record_state {
	RECORD_MORE,  /* feed it */
	RECORD_WHOLE, /* `record` is complete */
	RECORD_BAD,   /* too large, or nonsense: close the connection */
	RECORD_NOMEM,
};

struct record_reader {
	struct buf_pool *pool; /* borrowed */
	size_t max;            /* largest record */
	struct record record;
	uint8_t mark[RECORD_MARK_SIZE];
	unsigned mark_have;
	uint32_t left; /* of the current fragment */
	bool last;     /* the current fragment ends the record */
	unsigned empty;
};

/* A reader of records up to @max bytes; @pool's buffers must hold as much. */
void record_reader_init(
	struct record_reader *r, struct buf_pool *pool, size_t max);
void record_reader_fini(struct record_reader *r);

/* True between two records: nothing of the next one has arrived. */
bool record_reader_is_empty(const struct record_reader *r);

/* What it keeps of a record that is not whole. */
size_t record_reader_memory(const struct record_reader *r);

/* Eat from @len bytes at @from; *@eaten says how many, none after WHOLE. */
enum record_state record_eat(struct record_reader *r, const uint8_t *from,
	size_t len, size_t *eaten);

/*
 * Where the next bytes of the current fragment go and how many fit there:
 * to read large records without a copy. 0 outside of a fragment, and with
 * *@to NULL then, or when memory is out (`left` is not 0 then).
 */
size_t record_room(struct record_reader *r, uint8_t **to);

/* @n bytes were put where record_room() said. */
enum record_state record_filled(struct record_reader *r, size_t n);

/* Hand the whole record over, memory and all; the reader starts afresh. */
struct record record_take(struct record_reader *r);

/* Start in @rec's memory (small, contents ignored), which is taken. */
void record_lend(struct record_reader *r, struct record *rec);

/* Free the memory, to the heap or to the pool it came from. */
void record_fini(struct record *rec, struct buf_pool *pool);

#endif
