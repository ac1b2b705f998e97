/* SPDX-License-Identifier: MIT */
/*
 * Share reservations (RFC 8881 9.7, 18.18): pure decisions. An open remembers
 * which (access, deny) pairs its owner opened the file with, as a set of 16
 * bits; both are 0 .. 3.
 */
#ifndef STATE_POLICY_OPEN_H
#define STATE_POLICY_OPEN_H

#include <stdbool.h>
#include <stdint.h>

static inline uint16_t policy_open_pair(uint32_t access, uint32_t deny)
{
	return UINT16_C(1) << (access * 4 + deny);
}

static inline bool policy_open_conflict(
	uint32_t access, uint32_t deny, uint32_t has_access, uint32_t has_deny)
{
	return (access & has_deny) || (deny & has_access);
}

/* All that a set of pairs asks for together. */
static inline void policy_open_union(
	uint16_t pairs, uint32_t *access, uint32_t *deny)
{
	*access = *deny = 0;
	for (uint32_t i = 0; i < 16; i++) {
		if (pairs >> i & 1) {
			*access |= i / 4;
			*deny |= i % 4;
		}
	}
}

/* Those pairs of @pairs that ask for no more than @access and @deny. */
static inline uint16_t policy_open_within(
	uint16_t pairs, uint32_t access, uint32_t deny)
{
	uint16_t within = 0;

	for (uint32_t a = 0; a < 4; a++) {
		for (uint32_t d = 0; d < 4; d++) {
			if (!(a & ~access) && !(d & ~deny))
				within |= pairs & policy_open_pair(a, d);
		}
	}
	return within;
}

/*
 * May an open be downgraded to this? Only to the union of some of the opens in
 * effect; the largest such union within the limits decides.
 */
static inline bool policy_open_downgrade(
	uint16_t pairs, uint32_t access, uint32_t deny)
{
	uint16_t within = policy_open_within(pairs, access, deny);
	uint32_t all_access, all_deny;

	policy_open_union(within, &all_access, &all_deny);
	return access != 0 && all_access == access && all_deny == deny;
}

/*
 * May one more open file lose its last name? There are @count such by now, @own
 * of them open by the same client, which may have half of @max at most, so that
 * it cannot stop what others remove.
 */
static inline bool policy_orphan_fits(
	uint32_t count, uint32_t max, uint32_t own)
{
	return count < max && own < max - max / 2;
}

#endif
