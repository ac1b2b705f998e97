/* SPDX-License-Identifier: MIT */
/*
 * The pure policies over their whole input space: every rule is written here
 * a second time, as a property of inputs and outputs.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <string.h>
#include <cmocka.h>

#include "state/holdoff.h"
#include "state/policy_dirdeleg.h"
#include "state/policy_outside.h"
#include "state/policy_recall.h"

#define BIT(n)      (1u << (n))
#define ALL_KINDS   0x3fu
#define ENTRY_KINDS (BIT(2) | BIT(3) | BIT(4))

static void check_offer(const struct dirdeleg_ask *ask)
{
	struct dirdeleg_offer got = dirdeleg_offer(ask);
	uint32_t asked = ask->requested & ALL_KINDS;
	bool extend = ask->requested & BIT(6);
	bool order = ask->requested & BIT(12);
	bool served = ask->fits && (extend || ask->classic_notify);
	uint32_t unable = (ask->has_told && ask->child_attrs ? 0 : BIT(0)) |
		(ask->dir_attrs ? 0 : BIT(1)) |
		(got.order_aware && !ask->has_order ? ENTRY_KINDS : 0);

	/* Never more than asked for, never what is not supported. */
	assert_int_equal(got.reply & ~ask->requested, 0);
	assert_int_equal(got.kinds & ~ask->supported, 0);
	assert_int_equal(got.kinds, got.reply & ALL_KINDS);
	assert_int_equal(got.reply & ~(ALL_KINDS | BIT(6) | BIT(12)), 0);
	assert_int_equal(got.order_aware, order || !extend);
	if (!served)
		assert_int_equal(got.kinds, 0);
	else
		assert_int_equal(got.kinds, asked & ask->supported & ~unable);
	/* Flags: all honoured ones, and none with an empty-handed grant. */
	if (asked && !got.kinds) {
		assert_int_equal(got.reply, 0);
		return;
	}
	assert_int_equal(!!(got.reply & BIT(6)), extend);
	if (order && !ask->has_order)
		assert_false(got.reply & BIT(12));
	if (order && extend && ask->has_order)
		assert_true(got.reply & BIT(12));
}

static void test_offer_over_all_inputs(void **state)
{
	static const uint32_t builds[] = {0, 0x1c, 0x1e, 0x1f, 0x3f, 0x08};

	for (uint32_t low = 0; low < BIT(14); low++) {
		for (unsigned b = 0; b < 6 * 64; b++) {
			struct dirdeleg_ask ask = {
				.requested = low | (low & 1 ? 0xfffe0000 : 0),
				.supported = builds[b / 64],
				.classic_notify = b & 1,
				.has_order = b & 2,
				.fits = b & 4,
				.has_told = b & 8,
				.child_attrs = b & 16,
				.dir_attrs = b & 32,
			};
			check_offer(&ask);
		}
	}
}

static struct dirdeleg_offer offer(uint32_t requested, bool classic)
{
	struct dirdeleg_ask ask = {
		.requested = requested,
		.supported = 0x1c,
		.classic_notify = classic,
		.has_order = true,
		.fits = true,
	};
	return dirdeleg_offer(&ask);
}

static void test_offer_examples(void **state)
{
	/* What pynfs and the coming Linux client ask. */
	assert_int_equal(offer(0x5c, true).reply, 0x5c);
	assert_false(offer(0x5c, true).order_aware);
	/* Linux today: nothing. */
	assert_int_equal(offer(0, true).reply, 0);
	/* RFC 8881 as it stands, and as pynfs DIRDELEG7 wants it. */
	assert_int_equal(offer(0x1c, true).reply, 0x1c);
	assert_true(offer(0x1c, true).order_aware);
	assert_int_equal(offer(0x1c, false).reply, 0);
	/* Order asked for. */
	assert_int_equal(offer(0x105c, true).reply, 0x105c);
	assert_true(offer(0x105c, true).order_aware);
	/* A kind this build has not is left out. */
	assert_int_equal(offer(0x7f, true).reply, 0x5c);
}

static void test_dd03_what_never_changes_is_no_promise(void **state)
{
	static const unsigned never[] = {FATTR4_TYPE, FATTR4_FSID,
		FATTR4_FILEID, FATTR4_FILEHANDLE, FATTR4_NAMED_ATTR,
		FATTR4_RAWDEV, FATTR4_TIME_CREATE, FATTR4_TIME_ACCESS,
		FATTR4_MOUNTED_ON_FILEID};
	bitmap4 set = {0};

	assert_false(dirdeleg_has_changing(&set));
	for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++)
		bitmap4_set(&set, never[i]);
	assert_false(dirdeleg_has_changing(&set));
	for (unsigned bit = 0; bit < BITMAP4_BITS; bit++) {
		bitmap4 more = set;

		bitmap4_set(&more, bit);
		if (bit == FATTR4_CHANGE || bit == FATTR4_SIZE ||
			bit == FATTR4_MODE || bit == FATTR4_NUMLINKS ||
			bit == FATTR4_OWNER || bit == FATTR4_OWNER_GROUP ||
			bit == FATTR4_SPACE_USED ||
			bit == FATTR4_TIME_METADATA ||
			bit == FATTR4_TIME_MODIFY)
			assert_true(dirdeleg_has_changing(&more));
		else
			assert_false(dirdeleg_has_changing(&more));
	}
}

static void test_who_needs_the_told_set(void **state)
{
	for (uint32_t kinds = 0; kinds < 64; kinds++) {
		assert_int_equal(dirdeleg_needs_told(kinds, false), kinds & 1);
		assert_int_equal(dirdeleg_needs_told(kinds, true), kinds != 0);
	}
}

static void test_setattr(void **state)
{
	for (uint32_t mask = 0; mask < 2 * SETATTR_UMASK; mask++) {
		uint32_t atime = SETATTR_ATIME | SETATTR_ATIME_NOW;

		assert_int_equal(
			dirdeleg_setattr_recalls(mask), (mask & ~atime) != 0);
		assert_int_equal(dirdeleg_setattr_permits(mask),
			(mask &
				(SETATTR_MODE | SETATTR_UID | SETATTR_GID |
					SETATTR_MODE_MASKED)) != 0);
	}
}

static void test_child_delay(void **state)
{
	static const uint32_t some[] = {0, 1, 199, 200, 201, 5000,
		DIRDELEG_DELAY_MAX_MS - 1, DIRDELEG_DELAY_MAX_MS,
		DIRDELEG_DELAY_MAX_MS + 1, UINT32_MAX};

	for (size_t i = 0; i < 10; i++) {
		for (size_t min = 0; min < 6; min++) {
			uint32_t got = dirdeleg_child_delay(some[i], some[min]);

			assert_true(got >= some[min]);
			assert_true(got <= DIRDELEG_DELAY_MAX_MS);
			if (some[i] >= some[min] &&
				some[i] <= DIRDELEG_DELAY_MAX_MS)
				assert_int_equal(got, some[i]);
		}
	}
}

static void test_who_carries_child_attributes(void **state)
{
	for (uint32_t kinds = 0; kinds < 64; kinds++)
		assert_int_equal(dirdeleg_tells_child_attrs(kinds),
			(kinds & (BIT(0) | BIT(3) | BIT(4))) != 0);
}

static enum dirdeleg_verdict expected(
	const struct dirdeleg_holder *h, unsigned kind)
{
	bool live = h->state == DELEG_ACTIVE || h->state == DELEG_RECALLED;
	bool has = h->granted >> kind & 1;

	if (!live)
		return DIRDELEG_NOTHING;
	if (h->own && kind == 5 && h->order_aware && (h->granted & 0x1c) &&
		!has)
		return DIRDELEG_RECALL;
	if (h->own) {
		bool entry = kind == 2 || kind == 3 || kind == 4;
		bool moved = kind == 5 && (h->granted & 0x1c);

		return has && (entry || moved) && h->order_aware && !h->stopped
			? DIRDELEG_NOTIFY
			: DIRDELEG_NOTHING;
	}
	if (kind == 0 && !has)
		return DIRDELEG_NOTHING;
	if (h->expired)
		return DIRDELEG_REVOKE;
	if (!has)
		return DIRDELEG_RECALL;
	return h->stopped ? DIRDELEG_NOTHING : DIRDELEG_NOTIFY;
}

static void test_judge_over_all_inputs(void **state)
{
	for (unsigned bits = 0; bits < 64 * 64; bits++) {
		struct dirdeleg_holder h = {
			.granted = bits & 63,
			.own = bits & 64,
			.order_aware = bits & 128,
			.stopped = bits & 256,
			.expired = bits & 512,
			.state = bits >> 10,
		};
		for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
			assert_int_equal(
				dirdeleg_judge(&h, kind), expected(&h, kind));
		}
	}
	for (uint32_t granted = 0; granted < 64; granted++)
		assert_int_equal(dirdeleg_recall_reason(granted),
			granted ? RECALL_UNSUBSCRIBED : RECALL_CONFLICT);
}

static void test_pressure_and_shares(void **state)
{
	for (uint32_t max = 0; max < 40; max++) {
		for (uint32_t n = 0; n < 60; n++) {
			enum dirdeleg_pressure got = dirdeleg_pressure(n, max);

			assert_int_equal(got == DIRDELEG_RECLAIM, n >= max);
			if (n < max)
				assert_int_equal(
					got == DIRDELEG_ASK, 10 * n >= 9 * max);
			for (uint32_t clients = 1; clients < 10; clients++)
				assert_int_equal(
					dirdeleg_above_share(n, max, clients),
					n > (double)max / clients);
		}
	}
	assert_true(dirdeleg_above_share(UINT32_MAX, UINT32_MAX, 2));
	assert_int_equal(
		dirdeleg_pressure(UINT64_MAX - 1, UINT64_MAX), DIRDELEG_ASK);
	assert_int_equal(dirdeleg_pressure(UINT64_MAX / 10 * 8, UINT64_MAX),
		DIRDELEG_ROOM);
}

static void test_dd10_two_limits(void **state)
{
	for (int a = DIRDELEG_ROOM; a <= DIRDELEG_RECLAIM; a++) {
		for (int b = DIRDELEG_ROOM; b <= DIRDELEG_RECLAIM; b++)
			assert_int_equal(dirdeleg_tighter(a, b), a > b ? a : b);
	}
	for (uint64_t max = 0; max < 40; max++) {
		for (uint64_t n = 0; n < 80; n++)
			assert_int_equal(dirdeleg_memory_is_over(n, max),
				n > max + max / 4);
	}
	assert_false(dirdeleg_memory_is_over(UINT64_MAX, UINT64_MAX));
}

static void test_reasons(void **state)
{
	static const uint8_t stops[RECALL_REASONS] = {
		[RECALL_OVERFLOW] = 1,
		[RECALL_CALLBACK_ERROR] = 1,
		[RECALL_PERMISSION] = 1,
	};

	for (int r = 0; r < RECALL_REASONS; r++)
		assert_int_equal(recall_stops_queue(r), stops[r]);
}

static void test_recall_steps(void **state)
{
	assert_int_equal(recall_step_after(RECALL_SENT, 0), RECALL_STEP_WAIT);
	assert_int_equal(recall_step_after(RECALL_SENT, 1), RECALL_STEP_WAIT);
	assert_int_equal(recall_step_after(RECALL_RETRY, 0), RECALL_STEP_RETRY);
	assert_int_equal(recall_step_after(RECALL_RETRY, 1), RECALL_STEP_RETRY);
	assert_int_equal(recall_step_after(RECALL_UNKNOWN, 0), RECALL_STEP_END);
	assert_int_equal(
		recall_step_after(RECALL_UNKNOWN, 1), RECALL_STEP_RETRY);
	assert_int_equal(
		recall_step_after(RECALL_FAILED, 0), RECALL_STEP_RETRY);
	assert_int_equal(
		recall_step_after(RECALL_FAILED, 1), RECALL_STEP_RETRY);
}

static void test_batch_steps(void **state)
{
	for (unsigned tries = 1; tries < 2 * BATCH_TRIES; tries++) {
		enum batch_step again = tries < BATCH_TRIES ? BATCH_STEP_AGAIN
							    : BATCH_STEP_ERROR;

		for (int fresh = 0; fresh < 2; fresh++) {
			assert_int_equal(batch_step_after(BATCH_OK, fresh, 0),
				BATCH_STEP_NEXT);
			assert_int_equal(
				batch_step_after(BATCH_AGAIN, fresh, tries),
				again);
			assert_int_equal(
				batch_step_after(BATCH_UNKNOWN, fresh, tries),
				fresh ? again : BATCH_STEP_ERROR);
			assert_int_equal(
				batch_step_after(BATCH_ERROR, fresh, tries),
				BATCH_STEP_ERROR);
			assert_int_equal(
				batch_step_after(BATCH_TOO_LARGE, fresh, tries),
				BATCH_STEP_OVERFLOW);
		}
	}
}

static void test_holdoff_grows_and_is_forgotten(void **state)
{
	struct holdoff h;
	const uint64_t first = 500, longest = 30000;
	uint64_t now = 1000, before = 0;

	memset(&h, 0, sizeof(h));
	h.first_ms = first;
	h.longest_ms = longest;
	assert_false(holdoff_active(&h, 7, now));
	for (uint32_t i = 1; i < 70; i++) {
		uint64_t ms = recall_holdoff_ms(i, first, longest);

		assert_true(ms >= before && ms <= longest);
		before = ms;
		holdoff_strike(&h, 7, now);
		assert_true(holdoff_active(&h, 7, now + ms - 1));
		assert_false(holdoff_active(&h, 7, now + ms));
		assert_false(holdoff_active(&h, 7 + HOLDOFF_SLOTS, now));
		now += ms;
	}
	assert_int_equal(before, longest);
	now += HOLDOFF_FORGET_MS + 1;
	holdoff_strike(&h, 7, now);
	assert_false(holdoff_active(&h, 7, now + first));
	/* Another directory takes the slot: only forgotten. */
	holdoff_strike(&h, 7 + HOLDOFF_SLOTS, now);
	assert_false(holdoff_active(&h, 7, now));
	assert_true(holdoff_active(&h, 7 + HOLDOFF_SLOTS, now));
}

/* Who takes recalls only waits until it was left alone for as long. */
static void dd25_what_is_changed_all_the_time_stays_hot(void **state)
{
	struct holdoff h;
	uint64_t now = 1000;

	memset(&h, 0, sizeof(h));
	h.first_ms = 500;
	h.longest_ms = 30000;
	assert_false(holdoff_is_hot(&h, 7, now, 0));
	holdoff_strike(&h, 7, now);
	holdoff_strike(&h, 7, now); /* 1000 ms */
	for (int i = 0; i < 100; i++) {
		assert_true(holdoff_is_hot(&h, 7, now, 0));
		assert_true(holdoff_is_hot(&h, 7, now, 999));
		assert_false(holdoff_is_hot(&h, 7, now, 1000));
		assert_false(holdoff_is_hot(&h, 7 + HOLDOFF_SLOTS, now, 0));
		now += HOLDOFF_FORGET_MS / 2;
		assert_false(holdoff_active(&h, 7, now));
	}
	/* Nobody asked for a minute. */
	now += HOLDOFF_FORGET_MS / 2 + 1;
	assert_false(holdoff_is_hot(&h, 7, now, 0));
}

static void dd25_damping_can_be_switched_off(void **state)
{
	struct holdoff h;

	memset(&h, 0, sizeof(h));
	h.longest_ms = 30000;
	for (int i = 0; i < 100; i++) {
		holdoff_strike(&h, 7, 1000);
		assert_false(holdoff_active(&h, 7, 1000));
		assert_false(holdoff_is_hot(&h, 7, 1000, 0));
	}
	assert_int_equal(recall_holdoff_ms(40, 5000, 1000), 1000);
	assert_int_equal(recall_holdoff_ms(UINT32_MAX, 0, UINT64_MAX), 0);
}

/* What is told of a name makes what they know what is there. */
static void check_outside_name(struct outside_name n)
{
	switch (policy_outside_name(n)) {
	case DIFF_NONE:
		assert_true(n.told == n.now);
		break;
	case DIFF_ADDED: /* over nothing that they know */
		assert_true(n.now && !n.told);
		break;
	case DIFF_REMOVED:
		assert_true(n.told && !n.now);
		break;
	case DIFF_REPLACED:
		assert_true(n.told && n.now && n.told != n.now);
		break;
	}
}

/*
 * A rename moves what they know at one name to the other. It is told if that
 * makes both what is there, and says more than the one name's end.
 */
static void check_outside_rename(
	struct outside_name from, struct outside_name to)
{
	bool explains = from.told && from.now == 0 && to.now == from.told;

	assert_int_equal(policy_outside_is_rename(from, to),
		explains && policy_outside_name(to) != DIFF_NONE);
}

static void test_dd23_outside_names_over_all_inputs(void **state)
{
	enum { VALUES = 4 }; /* nothing, and more objects than names */

	for (unsigned i = 0; i < VALUES * VALUES; i++) {
		struct outside_name from = {i / VALUES, i % VALUES};

		check_outside_name(from);
		for (unsigned k = 0; k < VALUES * VALUES; k++)
			check_outside_rename(from,
				(struct outside_name){k / VALUES, k % VALUES});
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_offer_over_all_inputs),
		cmocka_unit_test(test_offer_examples),
		cmocka_unit_test(test_dd03_what_never_changes_is_no_promise),
		cmocka_unit_test(test_who_needs_the_told_set),
		cmocka_unit_test(test_setattr),
		cmocka_unit_test(test_child_delay),
		cmocka_unit_test(test_who_carries_child_attributes),
		cmocka_unit_test(test_judge_over_all_inputs),
		cmocka_unit_test(test_pressure_and_shares),
		cmocka_unit_test(test_dd10_two_limits),
		cmocka_unit_test(test_reasons),
		cmocka_unit_test(test_recall_steps),
		cmocka_unit_test(test_batch_steps),
		cmocka_unit_test(test_holdoff_grows_and_is_forgotten),
		cmocka_unit_test(dd25_what_is_changed_all_the_time_stays_hot),
		cmocka_unit_test(dd25_damping_can_be_switched_off),
		cmocka_unit_test(test_dd23_outside_names_over_all_inputs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
