/* SPDX-License-Identifier: MIT */
#include "state/holdoff.h"

#include "state/policy_recall.h"

void holdoff_strike(struct holdoff *h, uint64_t hash, uint64_t now_ms)
{
	struct holdoff_slot *at = &h->slot[hash % HOLDOFF_SLOTS];

	if (at->hash != hash || now_ms > at->until_ms + HOLDOFF_FORGET_MS) {
		at->hash = hash;
		at->strikes = 0;
	}
	at->strikes++;
	at->until_ms = now_ms +
		recall_holdoff_ms(at->strikes, h->first_ms, h->longest_ms);
}

bool holdoff_active(const struct holdoff *h, uint64_t hash, uint64_t now_ms)
{
	const struct holdoff_slot *at = &h->slot[hash % HOLDOFF_SLOTS];

	return at->hash == hash && now_ms < at->until_ms;
}

bool holdoff_is_hot(
	struct holdoff *h, uint64_t hash, uint64_t now_ms, uint64_t quiet_ms)
{
	struct holdoff_slot *at = &h->slot[hash % HOLDOFF_SLOTS];

	if (at->hash != hash || now_ms > at->until_ms + HOLDOFF_FORGET_MS)
		return false;
	if (quiet_ms >=
		recall_holdoff_ms(at->strikes, h->first_ms, h->longest_ms))
		return false;
	if (at->until_ms < now_ms)
		at->until_ms = now_ms;
	return true;
}
