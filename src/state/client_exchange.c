/* SPDX-License-Identifier: MIT */
/* EXCHANGE_ID (RFC 8881 18.35). */
#include <string.h>

#include "base/cleanup.h"
#include "proto/rpc.h"
#include "state/client.h"
#include "state/client_private.h"
#include "state/policy_client.h"
#include "state/state_private.h"

/* Clients that the exchange pushed out of the tables, to be finished. */
struct pushed_out {
	struct client *client[3];
	int count;
};

static void push_out_locked(struct pushed_out *out, struct client *c)
{
	if (c && client_unlink_locked(c))
		out->client[out->count++] = c;
}

static nfsstat4 check_args(const EXCHANGE_ID4args *args, uint32_t minor_version)
{
	if (args->eia_flags & ~policy_exchange_flags(minor_version))
		return NFS4ERR_INVAL;
	if (args->eia_client_impl_id.count > 1 ||
		args->eia_clientowner.co_ownerid.len > NFS4_OPAQUE_LIMIT)
		return NFS4ERR_BADXDR;
	switch (args->eia_state_protect.spa_how) {
	case SP4_NONE:
		return NFS4_OK;
	case SP4_MACH_CRED:
		/* Needs RPCSEC_GSS with integrity (2.10.5.1). */
		return NFS4ERR_INVAL;
	case SP4_SSV:
		return NFS4ERR_ENCR_ALG_UNSUPP;
	}
	return NFS4ERR_INVAL;
}

static struct exchange_record describe(struct client *old,
	const EXCHANGE_ID4args *args, const struct principal *who)
{
	if (!old)
		return (struct exchange_record){.exists = false};
	scope_lock(&old->lock);
	return (struct exchange_record){
		.exists = true,
		.same_verifier =
			memcmp(old->verifier, args->eia_clientowner.co_verifier,
				sizeof(old->verifier)) == 0,
		.same_principal = principal_equal(&old->principal, who),
		.in_use = client_has_state(old) && !client_is_expired(old),
	};
}

/*
 * At the limit: the record nobody has been heard of for the longest, among
 * those that are expired or were never confirmed.
 */
static struct client *find_dispensable_locked(struct state *s)
{
	struct client *found = NULL;
	struct htab_link *at = NULL;
	size_t cursor = 0;

	while ((at = htab_walk(&s->clients_by_id, &cursor, at))) {
		struct client *c = container_of(at, struct client, by_id);

		if (c->confirmed && !client_is_expired(c))
			continue;
		if (!found || c->lease_until_ms < found->lease_until_ms)
			found = c;
	}
	return found;
}

/* @fresh takes its place in the tables. */
static nfsstat4 link_new_locked(struct state *s, struct client *fresh,
	const struct xdr_opaque *owner, struct pushed_out *out)
{
	push_out_locked(out, client_by_owner_locked(s, owner, false));
	if (s->clients_count >= s->config.max_clients)
		push_out_locked(out, find_dispensable_locked(s));
	if (s->clients_count >= s->config.max_clients)
		return NFS4ERR_DELAY;
	client_link_locked(fresh);
	return NFS4_OK;
}

static void fill_reply(struct state *s, struct client *c,
	const EXCHANGE_ID4args *args, EXCHANGE_ID4resok *res)
{
	struct xdr_opaque name =
		xdr_opaque_from(s->server_owner, sizeof(s->server_owner));

	*res = (EXCHANGE_ID4resok){
		.eir_clientid = c->id,
		.eir_sequenceid = c->create_seqid + 1,
		.eir_flags = EXCHGID4_FLAG_USE_NON_PNFS,
		.eir_state_protect.spr_how = SP4_NONE,
		.eir_server_owner.so_major_id = name,
		.eir_server_scope = name,
	};
	if (c->confirmed)
		res->eir_flags |= EXCHGID4_FLAG_CONFIRMED_R;
}

/* Decide and act on the tables; fills @res on NFS4_OK. */
static nfsstat4 exchange(struct state *s, const EXCHANGE_ID4args *args,
	const struct principal *who, struct client *fresh,
	struct pushed_out *out, EXCHANGE_ID4resok *res)
{
	const struct xdr_opaque *owner = &args->eia_clientowner.co_ownerid;
	bool update = args->eia_flags & EXCHGID4_FLAG_UPD_CONFIRMED_REC_A;
	struct exchange_decision what;
	struct client *old;
	nfsstat4 status;

	scope_lock(&s->clients_lock);
	old = client_by_owner_locked(s, owner, true);
	what = policy_exchange(update, describe(old, args, who));
	if (what.action == EXCHANGE_REFUSE)
		return what.status;
	if (what.action == EXCHANGE_KEEP) {
		fill_reply(s, old, args, res);
		return NFS4_OK;
	}
	if (what.action == EXCHANGE_REPLACE)
		push_out_locked(out, old);
	status = link_new_locked(s, fresh, owner, out);
	if (status == NFS4_OK)
		fill_reply(s, fresh, args, res);
	return status;
}

nfsstat4 client_exchange_id(struct state *s, const EXCHANGE_ID4args *args,
	uint32_t minor_version, const struct principal *who,
	EXCHANGE_ID4resok *res)
{
	struct pushed_out out = {.count = 0};
	struct client *fresh;
	nfsstat4 status = check_args(args, minor_version);

	if (status != NFS4_OK)
		return status;
	fresh = client_new(s, &args->eia_clientowner, who);
	if (!fresh)
		return NFS4ERR_DELAY;
	status = exchange(s, args, who, fresh, &out, res);
	for (int i = 0; i < out.count; i++)
		client_finish(out.client[i], CLIENT_END_REPLACED);
	client_put(fresh);
	return status;
}
