/* SPDX-License-Identifier: MIT */
/* Sessions and clients (RFC 8881 18.33-18.38, 18.46-18.51). */
#include "nfs/ops.h"

#include <string.h>

#include "state/client.h"
#include "state/session.h"
#include "state/stateid.h"

/* The number of SEQUENCE, its status and result. */
#define SEQUENCE_RESULT (4 + 4 + 36)

/* Bytes of the reply before the results, RPC header included. */
static size_t reply_so_far(const struct compound *c)
{
	return c->call->reply_header_size + xdr_pos(&c->call->out) - c->start;
}

/*
 * The reply may grow to what the session allows; when it is to be kept, to
 * what the slot may keep (RFC 8881 2.10.6.4). Both count the RPC header.
 */
static void limit_reply(struct compound *c)
{
	const struct session_info *info = session_get_info(c->session);
	struct xdr *out = &c->call->out;
	size_t header = c->call->reply_header_size;
	size_t begin = c->start > header ? c->start - header : 0;
	size_t max = info->fore.ca_maxresponsesize;

	if (session_slot_cachethis(c->slot)) {
		uint32_t cached = session_slot_cache_limit(c->slot);

		if (cached < max) {
			max = cached;
			c->cache_limits = true;
		}
	}
	if (begin + max < c->limit)
		c->limit = begin + max;
	xdr_set_limit(out, c->limit - COMPOUND_RESERVE);
}

nfsstat4 op_sequence(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct principal who = compound_principal(c);
	const struct session_request request = {
		.minor_version = c->minor,
		.nops = c->nops,
		.size = c->call->record_size,
		.reply_size =
			reply_so_far(c) + SEQUENCE_RESULT + COMPOUND_RESERVE,
		.digest = c->digest,
		.who = &who,
		.conn = c->call->conn,
	};
	struct session *session;
	struct slot *slot;
	nfsstat4 status;

	status = session_sequence(c->server->state, &arg->opsequence, &request,
		&res->opsequence.sr_resok4, &session, &slot, &c->verdict);
	if (status != NFS4_OK)
		return status;
	c->session = session;
	c->slot = slot;
	c->client = session_get_info(session)->client;
	limit_reply(c);
	return NFS4_OK;
}

/* No date: the version says which one it is, and builds stay the same. */
static void say_who_we_are(struct compound *c, EXCHANGE_ID4resok *res)
{
	nfs_impl_id4 *id = arena_array(c->arena, 1, sizeof(*id));

	if (!id) /* clients do not need it */
		return;
	*id = (nfs_impl_id4){
		.nii_domain = xdr_opaque_from_str("herald"),
		.nii_name = xdr_opaque_from_str("heraldd " HERALD_VERSION),
	};
	res->eir_server_impl_id.count = 1;
	res->eir_server_impl_id.items = id;
}

nfsstat4 op_exchange_id(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct principal who = compound_principal(c);
	EXCHANGE_ID4resok *ok = &res->opexchange_id.eir_resok4;
	nfsstat4 status = client_exchange_id(
		c->server->state, &arg->opexchange_id, c->minor, &who, ok);

	if (status == NFS4_OK)
		say_who_we_are(c, ok);
	return status;
}

nfsstat4 op_create_session(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct principal who = compound_principal(c);

	return session_create(c->server->state, &arg->opcreate_session,
		c->minor, &who, c->call->conn,
		&res->opcreate_session.csr_resok4);
}

/* In a compound of the same session it must come last (18.37.3). */
nfsstat4 op_destroy_session(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const uint8_t *id = arg->opdestroy_session.dsa_sessionid;

	if (c->session && c->index + 1 != c->nops &&
		memcmp(id, session_get_info(c->session)->id,
			NFS4_SESSIONID_SIZE) == 0)
		return NFS4ERR_NOT_ONLY_OP;
	return session_destroy(c->server->state, id, c->call->conn);
}

nfsstat4 op_bind_conn_to_session(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	return session_bind_conn(c->server->state, &arg->opbind_conn_to_session,
		c->call->conn, &res->opbind_conn_to_session.bctsr_resok4);
}

nfsstat4 op_backchannel_ctl(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	return session_backchannel_ctl(c->session, &arg->opbackchannel_ctl);
}

nfsstat4 op_destroy_clientid(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	return client_destroy(
		c->server->state, arg->opdestroy_clientid.dca_clientid);
}

nfsstat4 op_reclaim_complete(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	bool one_fs = arg->opreclaim_complete.rca_one_fs;

	if (one_fs && !c->fh.export)
		return NFS4ERR_NOFILEHANDLE;
	return client_reclaim_complete(c->client, one_fs);
}

nfsstat4 op_test_stateid(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const TEST_STATEID4args *args = &arg->optest_stateid;
	TEST_STATEID4resok *ok = &res->optest_stateid.tsr_resok4;
	uint32_t count = args->ts_stateids.count;
	nfsstat4 *codes = arena_array(c->arena, count, sizeof(*codes));

	if (!codes)
		return NFS4ERR_DELAY;
	for (uint32_t i = 0; i < count; i++)
		codes[i] = stateid_test(c->client, &args->ts_stateids.items[i]);
	ok->tsr_status_codes.count = count;
	ok->tsr_status_codes.items = codes;
	return NFS4_OK;
}

nfsstat4 op_free_stateid(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	stateid4 sid;
	nfsstat4 status =
		compound_stateid(c, &arg->opfree_stateid.fsa_stateid, &sid);

	return status == NFS4_OK ? stateid_free_state(c->client, &sid) : status;
}

/* SP4_SSV is never agreed on, so there is no SSV to set (18.47). */
nfsstat4 op_set_ssv(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	return NFS4ERR_INVAL;
}
