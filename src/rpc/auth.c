/* SPDX-License-Identifier: MIT */
#include "rpc/call.h"

#define NOBODY 65534

static auth_stat check_none(struct rpc_auth *auth)
{
	auth->cred = (struct cred){.uid = NOBODY, .gid = NOBODY};
	return AUTH_OK;
}

static auth_stat check_sys(
	const opaque_auth *cred, struct arena *arena, struct rpc_auth *auth)
{
	struct cred *c = &auth->cred;
	authsys_parms parms;

	if (!rpcmsg_get_authsys(cred, arena, &parms))
		return AUTH_BADCRED;
	c->uid = parms.uid;
	c->gid = parms.gid;
	c->ngroups = parms.gids.count;
	if (c->ngroups > CRED_GROUPS_MAX)
		return AUTH_BADCRED;
	for (uint32_t i = 0; i < c->ngroups; i++)
		c->groups[i] = parms.gids.items[i];
	return AUTH_OK;
}

/*
 * A flavor we do not have is "too weak" rather than "bad": after AUTH_BADCRED
 * clients make the same credential afresh and try again.
 */
auth_stat auth_check(
	const opaque_auth *cred, struct arena *arena, struct rpc_auth *auth)
{
	auth->flavor = cred->flavor;
	switch (cred->flavor) {
	case AUTH_NONE:
		return check_none(auth);
	case AUTH_SYS:
		return check_sys(cred, arena, auth);
	default:
		return AUTH_TOOWEAK;
	}
}
