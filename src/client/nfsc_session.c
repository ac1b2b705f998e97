/* SPDX-License-Identifier: MIT */
/*
 * Client ids and sessions (RFC 8881 18.34 to 18.37, 18.50, 18.51): one step a
 * function, each a COMPOUND of its own.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "client/nfsc_priv.h"

/* ---- EXCHANGE_ID ---- */

static void note_server_name(struct nfsc *c, const EXCHANGE_ID4resok *ok)
{
	const utf8str_cs *name;
	size_t len;

	c->server_name[0] = '\0';
	if (ok->eir_server_impl_id.count == 0)
		return;
	name = &ok->eir_server_impl_id.items[0].nii_name;
	len = name->len < sizeof(c->server_name) - 1
		? name->len
		: sizeof(c->server_name) - 1;
	if (len)
		memcpy(c->server_name, name->data, len);
	c->server_name[len] = '\0';
}

static void note_clientid(struct nfsc *c, const EXCHANGE_ID4resok *ok)
{
	scope_lock(&c->lock);
	c->fresh =
		c->fresh || !c->has_clientid || c->clientid != ok->eir_clientid;
	c->has_clientid = true;
	c->clientid = ok->eir_clientid;
	c->create_seq = ok->eir_sequenceid;
	c->session.live = false;
	note_server_name(c, ok);
}

int nfsc_exchange_id(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	nfs_impl_id4 impl = {
		.nii_domain = xdr_opaque_from_str("herald"),
		.nii_name = xdr_opaque_from_str("herald client"),
	};
	const nfs_resop4 *res;
	EXCHANGE_ID4args *args;
	int err;

	nfsc_compound_init(&compound);
	args = &nfsc_add(&compound, OP_EXCHANGE_ID)->opexchange_id;
	memcpy(args->eia_clientowner.co_verifier, &c->config.verifier,
		NFS4_VERIFIER_SIZE);
	args->eia_clientowner.co_ownerid = c->config.owner;
	args->eia_flags = EXCHGID4_FLAG_USE_NON_PNFS;
	args->eia_state_protect.spa_how = SP4_NONE;
	args->eia_client_impl_id.count = 1;
	args->eia_client_impl_id.items = &impl;
	err = nfsc_call_bare(c, &compound);
	if (err)
		return err;
	res = nfsc_result(&compound, 0);
	if (!res)
		return (int)compound.res.status;
	note_clientid(c, &res->opexchange_id.eir_resok4);
	return 0;
}

/* ---- CREATE_SESSION ---- */

static channel_attrs4 wanted_fore(const struct nfsc *c)
{
	return (channel_attrs4){
		.ca_maxrequestsize = c->config.fore_size + 4096,
		.ca_maxresponsesize = c->config.fore_size + 4096,
		.ca_maxresponsesize_cached = 8192,
		.ca_maxoperations = 64,
		.ca_maxrequests = c->config.fore_slots,
	};
}

static channel_attrs4 wanted_back(const struct nfsc *c)
{
	return (channel_attrs4){
		.ca_maxrequestsize = c->config.back_size,
		.ca_maxresponsesize = NFSC_CB_REPLY_MAX,
		.ca_maxresponsesize_cached = NFSC_CB_REPLY_MAX,
		.ca_maxoperations = NFSC_CB_OPS_MAX,
		.ca_maxrequests = c->config.back_slots,
	};
}

static unsigned slots_of(const channel_attrs4 *attrs)
{
	uint32_t n = attrs->ca_maxrequests;

	return n < 1 ? 1 : n > NFSC_SLOTS_MAX ? NFSC_SLOTS_MAX : n;
}

static void note_session(struct nfsc *c, const CREATE_SESSION4resok *ok)
{
	struct nfsc_session *s = &c->session;
	uint64_t generation = s->generation;

	scope_lock(&c->lock);
	nfsc_cb_reset(s);
	*s = (struct nfsc_session){.generation = generation + 1, .live = true};
	memcpy(s->id, ok->csr_sessionid, sizeof(s->id));
	s->fore = ok->csr_fore_chan_attrs;
	s->back = ok->csr_back_chan_attrs;
	s->fore.ca_rdma_ird.count = s->back.ca_rdma_ird.count = 0;
	s->backchannel = ok->csr_flags & CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	s->nslots = slots_of(&s->fore);
	s->target = s->nslots;
	s->ncb_slots = slots_of(&s->back);
	for (unsigned i = 0; i < s->nslots; i++)
		s->slots[i].seqid = 1;
	c->create_seq++;
	c->last_flags = 0;
	c->stats.sessions++;
}

static void set_creating(struct nfsc *c, bool creating)
{
	scope_lock(&c->lock);
	c->creating = creating;
	cond_broadcast(&c->cond);
}

/* What callbacks are to carry: the credential of our own calls. */
static callback_sec_parms4 wanted_security(struct nfsc *c)
{
	struct cred *cred = &c->config.cred;

	return (callback_sec_parms4){
		.cb_secflavor = AUTH_SYS,
		.cbsp_sys_cred =
			{
				.machinename = xdr_opaque_from_str(c->machine),
				.uid = cred->uid,
				.gid = cred->gid,
				.gids = {.count = cred->ngroups,
					.items = cred->groups},
			},
	};
}

/* An error uses up the sequence id as well (18.36.4), but for these. */
static void note_refusal(struct nfsc *c, nfsstat4 status)
{
	scope_lock(&c->lock);
	if (status != NFS4ERR_DELAY && status != NFS4ERR_STALE_CLIENTID &&
		status != NFS4ERR_SEQ_MISORDERED)
		c->create_seq++;
}

int nfsc_create_session(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	callback_sec_parms4 security = wanted_security(c);
	const nfs_resop4 *res;
	CREATE_SESSION4args *args;
	int err;

	nfsc_compound_init(&compound);
	args = &nfsc_add(&compound, OP_CREATE_SESSION)->opcreate_session;
	args->csa_clientid = c->clientid;
	args->csa_sequence = c->create_seq;
	args->csa_flags = CREATE_SESSION4_FLAG_CONN_BACK_CHAN;
	args->csa_fore_chan_attrs = wanted_fore(c);
	args->csa_back_chan_attrs = wanted_back(c);
	args->csa_cb_program = NFSC_CB_PROGRAM;
	args->csa_sec_parms.count = 1;
	args->csa_sec_parms.items = &security;
	set_creating(c, true);
	err = nfsc_call_bare(c, &compound);
	res = err ? NULL : nfsc_result(&compound, 0);
	if (res)
		note_session(c, &res->opcreate_session.csr_resok4);
	else if (!err)
		note_refusal(c, compound.res.status);
	set_creating(c, false);
	if (err)
		return err;
	return res ? 0 : (int)compound.res.status;
}

/* ---- the rest of their lives ---- */

/* The session's id and generation at one moment. */
static uint64_t session_id(struct nfsc *c, sessionid4 ret)
{
	scope_lock(&c->lock);
	memcpy(ret, c->session.id, NFS4_SESSIONID_SIZE);
	return c->session.generation;
}

int nfsc_bind(struct nfsc *c, channel_dir_from_client4 dir)
{
	scope_compound struct nfsc_compound compound;
	BIND_CONN_TO_SESSION4args *args;
	const nfs_resop4 *res;
	int err;

	nfsc_compound_init(&compound);
	args = &nfsc_add(&compound, OP_BIND_CONN_TO_SESSION)
			->opbind_conn_to_session;
	session_id(c, args->bctsa_sessid);
	args->bctsa_dir = dir;
	err = nfsc_call_bare(c, &compound);
	if (err)
		return err;
	res = nfsc_result(&compound, 0);
	if (!res)
		return (int)compound.res.status;
	scope_lock(&c->lock);
	c->session.backchannel =
		res->opbind_conn_to_session.bctsr_resok4.bctsr_dir !=
		CDFS4_FORE;
	return 0;
}

/* A compound of one operation without SEQUENCE whose result is a status. */
static int run_bare(struct nfsc *c, struct nfsc_compound *compound)
{
	int err = nfsc_call_bare(c, compound);

	return err ? err : (int)compound->res.status;
}

int nfsc_destroy_session(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	DESTROY_SESSION4args *args;
	uint64_t generation;
	int err;

	nfsc_compound_init(&compound);
	args = &nfsc_add(&compound, OP_DESTROY_SESSION)->opdestroy_session;
	generation = session_id(c, args->dsa_sessionid);
	err = run_bare(c, &compound);
	if (err == 0)
		nfsc_session_lost(c, generation);
	return err;
}

int nfsc_destroy_clientid(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add(&compound, OP_DESTROY_CLIENTID)
		->opdestroy_clientid.dca_clientid = c->clientid;
	err = run_bare(c, &compound);
	if (err == 0) {
		scope_lock(&c->lock);
		c->has_clientid = false;
	}
	return err;
}

int nfsc_reclaim_complete(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add(&compound, OP_RECLAIM_COMPLETE);
	err = nfsc_run(c, &compound);
	return err == NFS4ERR_COMPLETE_ALREADY ? 0 : err;
}

int nfsc_renew(struct nfsc *c, uint32_t *flags)
{
	scope_compound struct nfsc_compound compound;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	err = nfsc_run(c, &compound);
	if (err == 0 && flags)
		*flags = compound.status_flags;
	return err;
}

int nfsc_learn_lease(struct nfsc *c)
{
	scope_compound struct nfsc_compound compound;
	const nfs_resop4 *res;
	const fattr4 *attrs;
	uint32_t seconds;
	int err;

	nfsc_compound_init(&compound);
	nfsc_add(&compound, OP_PUTROOTFH);
	bitmap4_set(&nfsc_add(&compound, OP_GETATTR)->opgetattr.attr_request,
		FATTR4_LEASE_TIME);
	err = nfsc_call(c, &compound);
	res = err ? NULL : nfsc_result(&compound, 1);
	if (!res)
		return err;
	attrs = &res->opgetattr.resok4.obj_attributes;
	if (attrs->attr_vals.len != sizeof(seconds))
		return 0;
	memcpy(&seconds, attrs->attr_vals.data, sizeof(seconds));
	seconds = be32toh(seconds);
	scope_lock(&c->lock);
	if (seconds > 0 && seconds < 86400)
		c->lease_ms = seconds * 1000;
	return 0;
}
