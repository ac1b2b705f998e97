/* SPDX-License-Identifier: MIT */
/*
 * On whose behalf the store acts: ids after squashing, never a peer's raw
 * claim. Borrowed for one call; who keeps one copies it.
 */
#ifndef VOCAB_CRED_H
#define VOCAB_CRED_H

#include <stdbool.h>
#include <stdint.h>

#define CRED_GROUPS_MAX 64 /* AUTH_SYS carries 16 */

struct cred {
	uint32_t uid;
	uint32_t gid;
	uint32_t ngroups;
	uint32_t groups[CRED_GROUPS_MAX];
};

/* The server itself: every permission, for its own bookkeeping only. */
extern const struct cred cred_server;

static inline bool cred_equal(const struct cred *a, const struct cred *b)
{
	if (a->uid != b->uid || a->gid != b->gid || a->ngroups != b->ngroups)
		return false;
	for (uint32_t i = 0; i < a->ngroups; i++) {
		if (a->groups[i] != b->groups[i])
			return false;
	}
	return true;
}

/* Is @gid one of its groups, the first or another? */
static inline bool cred_in_group(const struct cred *cred, uint32_t gid)
{
	if (cred->gid == gid)
		return true;
	for (uint32_t i = 0; i < cred->ngroups; i++) {
		if (cred->groups[i] == gid)
			return true;
	}
	return false;
}

#endif
