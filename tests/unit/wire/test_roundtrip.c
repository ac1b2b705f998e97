/* SPDX-License-Identifier: MIT */
/*
 * Every type of the protocol, both ways: what is written is read back and
 * written again byte for byte; cut off anywhere it is refused; with a byte
 * changed it does no harm. Buffers are as large as their content, so that a
 * sanitizer sees the first byte too many.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "nfs4_random.h"
#include "rpc_random.h"

#define BUFFER (1 << 20)
#define ROUNDS 300

struct fixture {
	struct random_source random;
	struct arena values;  /* what random values point to */
	struct arena decoded; /* what decoding allocates */
	uint8_t *buffer;
	uint8_t *again;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	const char *seed = getenv("TEST_SEED");

	f->random.stream.state = seed ? strtoull(seed, NULL, 0) : 1;
	f->random.arena = &f->values;
	arena_init(&f->values, 64 << 20);
	arena_init(&f->decoded, 64 << 20);
	f->buffer = malloc(BUFFER);
	f->again = malloc(BUFFER);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	arena_fini(&f->values);
	arena_fini(&f->decoded);
	free(f->buffer);
	free(f->again);
	free(f);
	return 0;
}

/* A random value of the type in f->buffer; its length. */
static size_t encode_random(struct fixture *f, const struct roundtrip *t)
{
	void *value;
	struct xdr x;

	arena_reset(&f->values);
	value = random_alloc(&f->random, t->size);
	t->fill(&f->random, value);
	xdr_init_encode(&x, f->buffer, BUFFER);
	if (!t->put(&x, value))
		fail_msg("%s cannot be encoded", t->name);
	if (xdr_pos(&x) % 4)
		fail_msg("%s takes %zu bytes", t->name, xdr_pos(&x));
	return xdr_pos(&x);
}

/* Decode @len bytes of @from, which are copied so that they end there. */
static bool decode(struct fixture *f, const struct roundtrip *t,
	const uint8_t *from, size_t len, size_t *used, size_t *encoded)
{
	uint8_t *exact = malloc(len ? len : 1);
	struct xdr in, out;
	void *value;
	bool ok;

	memcpy(exact, from, len);
	arena_reset(&f->decoded);
	value = arena_array(&f->decoded, 1, t->size);
	xdr_init_decode(&in, exact, len, &f->decoded);
	ok = t->get(&in, value);
	if (ok == in.bad)
		fail_msg("%s: result and cursor disagree", t->name);
	*used = xdr_pos(&in);
	if (ok && encoded) {
		xdr_init_encode(&out, f->again, BUFFER);
		if (!t->put(&out, value))
			fail_msg("%s cannot be encoded again", t->name);
		*encoded = xdr_pos(&out);
	}
	free(exact);
	return ok;
}

static void check_roundtrip(struct fixture *f, const struct roundtrip *t)
{
	size_t len = encode_random(f, t);
	size_t used, encoded;

	if (!decode(f, t, f->buffer, len, &used, &encoded))
		fail_msg("%s cannot be decoded", t->name);
	if (used != len || encoded != len ||
		memcmp(f->buffer, f->again, len) != 0)
		fail_msg("%s changed on the way", t->name);
}

static void check_truncated(struct fixture *f, const struct roundtrip *t)
{
	size_t len = encode_random(f, t);
	size_t used;

	for (size_t cut = 0; cut < len; cut++) {
		if (decode(f, t, f->buffer, cut, &used, NULL))
			fail_msg("%s: %zu of %zu bytes were enough", t->name,
				cut, len);
	}
}

static void check_damaged(struct fixture *f, const struct roundtrip *t)
{
	size_t len = encode_random(f, t);
	size_t used;

	for (int i = 0; i < 20 && len; i++) {
		uint8_t *at = &f->buffer[random_below(&f->random, len)];
		uint8_t was = *at;

		*at = (uint8_t)(random_below(&f->random, 2)
				? 0xff
				: random_below(&f->random, 256));
		decode(f, t, f->buffer, len, &used, NULL);
		*at = was;
	}
}

static void each_type(struct fixture *f,
	void (*check)(struct fixture *f, const struct roundtrip *t), int rounds)
{
	const struct roundtrip *tables[] = {nfs4_roundtrips, rpc_roundtrips};

	for (int i = 0; i < 2; i++) {
		for (const struct roundtrip *t = tables[i]; t->name; t++) {
			for (int n = 0; n < rounds; n++)
				check(f, t);
		}
	}
}

static void every_type_survives_both_ways(void **state)
{
	each_type(*state, check_roundtrip, ROUNDS);
}

static void every_truncation_is_refused(void **state)
{
	each_type(*state, check_truncated, 30);
}

static void damage_does_no_harm(void **state)
{
	each_type(*state, check_damaged, 60);
}

/* An encoder that has too little room says so and writes nothing beyond. */
static void check_overflow(struct fixture *f, const struct roundtrip *t)
{
	size_t len = encode_random(f, t);
	struct xdr in, out;
	void *value;

	arena_reset(&f->decoded);
	value = arena_array(&f->decoded, 1, t->size);
	xdr_init_decode(&in, f->buffer, len, &f->decoded);
	assert_true(t->get(&in, value));
	for (size_t room = 0; room < len; room += 4) {
		uint8_t *exact = malloc(room ? room : 1);

		xdr_init_encode(&out, exact, room);
		if (t->put(&out, value))
			fail_msg("%s fits in %zu of %zu", t->name, room, len);
		free(exact);
	}
}

static void every_overflow_is_noticed(void **state)
{
	each_type(*state, check_overflow, 30);
}

static void every_operation_is_there(void **state)
{
	size_t types = 0;

	(void)state;
	for (const struct roundtrip *t = nfs4_roundtrips; t->name; t++)
		types++;
	assert_true(types > 350);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_survives_both_ways),
		cmocka_unit_test(every_truncation_is_refused),
		cmocka_unit_test(every_overflow_is_noticed),
		cmocka_unit_test(damage_does_no_harm),
		cmocka_unit_test(every_operation_is_there),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
