/* SPDX-License-Identifier: MIT */
/* GET_DIR_DELEGATION, DELEGRETURN (RFC 8881 18.39, 18.6). */
#include "nfs/ops.h"

#include <endian.h>
#include <errno.h>
#include <string.h>

#include "nfs/attrs.h"
#include "nfs/dirattr.h"
#include "nfs/dirsample.h"
#include "nfs/errmap.h"
#include "nfs/local.h"
#include "state/deleg.h"
#include "state/deleg_count.h"
#include "state/dirdeleg.h"
#include "store/store.h"
#include "wire/fattr4.h"

static void unavailable(GET_DIR_DELEGATION4res_non_fatal *res)
{
	res->gddrnf_status = GDD4_UNAVAIL;
	res->gddrnf_will_signal_deleg_avail = false;
}

/* State has nothing against it, but we; `unavailable` is the answer. */
static nfsstat4 refuse(struct compound *c, enum deleg_refusal reason)
{
	deleg_count_refused(c->server->state, DELEG_DIR, reason);
	return NFS4_OK;
}

/* What is found out of the directory before it is asked for. */
struct found {
	struct attr attr;
	uint64_t verifier;
	bool cookies; /* changes tell them */
};

/* What can be told of objects like this one; @attr is the directory's. */
static void choose_attrs(struct dirdeleg_request *request,
	const GET_DIR_DELEGATION4args *args, const struct attr *attr)
{
	const bitmap4 can_child = fattr4_child_notifiable();
	const bitmap4 can_dir = fattr4_dir_notifiable();

	request->child_attrs =
		bitmap4_and(&args->gdda_child_attributes, &can_child);
	request->dir_attrs = bitmap4_and(&args->gdda_dir_attributes, &can_dir);
	if (!attr->has_btime) {
		bitmap4_clear(&request->child_attrs, FATTR4_TIME_CREATE);
		bitmap4_clear(&request->dir_attrs, FATTR4_TIME_CREATE);
	}
	request->attr_bytes = fattr4_size_max(&request->child_attrs);
	request->dir_attr_bytes = fattr4_size_max(&request->dir_attrs);
}

/* In milliseconds, rounded up; less than none is none. */
static uint32_t delay_ms(const attr_notice4 *delay)
{
	if (delay->seconds < 0)
		return 0;
	if (delay->seconds >= UINT32_MAX / 1000)
		return UINT32_MAX;
	return delay->seconds * 1000 + (delay->nseconds + 999999) / 1000000;
}

/* How long ago it was changed, by its ctime; one to come says nothing. */
static uint64_t quiet_ms(struct compound *c, const struct attr *attr)
{
	int64_t ns = (int64_t)clock_file_ns(c->server->clock) - attr->ctime_ns;

	if (ns < -(int64_t)NSEC_PER_SEC)
		return UINT64_MAX;
	return ns > 0 ? (uint64_t)ns / NSEC_PER_MSEC : 0;
}

static nfsstat4 request_watched(struct compound *c,
	const GET_DIR_DELEGATION4args *args, const struct found *found,
	bool children, struct dirdeleg_grant *grant)
{
	uint8_t fh[NFS4_FHSIZE];
	struct dirdeleg_request request = {
		.notify = args->gdda_notification_types,
		.child_delay_ms = delay_ms(&args->gdda_child_attr_delay),
		.fh = fh,
		.fh_len = fh_encode(c->server, c->fh.export, &c->fh.id, fh),
		.via = c->fh.export->id,
		.cred = &c->cred,
		.will_own_order = found->cookies,
		.quiet_ms = quiet_ms(c, &found->attr),
		.sample = dirsample_fill,
		.sample_ctx = c,
		.watched = c->fh.export->local_changes,
	};

	if (args->gdda_child_attr_delay.nseconds >= NSEC_PER_SEC ||
		args->gdda_dir_attr_delay.nseconds >= NSEC_PER_SEC)
		return NFS4ERR_INVAL;
	if (!children)
		bitmap4_clear(&request.notify, NOTIFY4_CHANGE_CHILD_ATTRS);
	choose_attrs(&request, args, &found->attr);
	session_slot_ref(c->slot, &request.slot);
	return dirdeleg_grant(c->client, &c->fh.id, &request, grant);
}

/* Why it cannot be watched; @err is local_hold()'s. */
static enum deleg_refusal unwatched_reason(int err)
{
	switch (err) {
	case -ENOSPC:
	case -EOPNOTSUPP:
		return DELEG_REFUSED_MARKS;
	case -ENOMEM:
		return DELEG_REFUSED_MEMORY;
	case -ESTALE:
	case -ENOENT:
		return DELEG_REFUSED_REMOVED;
	default:
		return DELEG_REFUSED_STORE;
	}
}

/* Marked before it is looked at: what happens after the look is told. */
static nfsstat4 request_grant(struct compound *c,
	const GET_DIR_DELEGATION4args *args, const struct found *found,
	bool children, struct dirdeleg_grant *grant)
{
	struct fh *fh = &c->fh;
	nfsstat4 status;
	int err;

	*grant = (struct dirdeleg_grant){.granted = false};
	err = local_hold(c->server, fh->export, &fh->id, children);
	if (err < 0)
		return refuse(c, unwatched_reason(err));
	status = request_watched(c, args, found, children, grant);
	if (status != NFS4_OK || !grant->granted)
		local_release(c->server, &fh->id, children);
	else if (children &&
		!bitmap4_has(&grant->notify, NOTIFY4_CHANGE_CHILD_ATTRS))
		local_release_children(c->server, &fh->id);
	return status;
}

static bool sees_children(
	struct compound *c, const struct dirdeleg_grant *grant)
{
	return !bitmap4_has(&grant->notify, NOTIFY4_CHANGE_CHILD_ATTRS) ||
		local_watch_links(c->server, &c->fh.id) == 0;
}

/* Without children, where not all that is done to them would be seen. */
static nfsstat4 request_seen(struct compound *c,
	const GET_DIR_DELEGATION4args *args, const struct found *found,
	struct dirdeleg_grant *grant)
{
	bool children = bitmap4_has(
		&args->gdda_notification_types, NOTIFY4_CHANGE_CHILD_ATTRS);
	nfsstat4 status = request_grant(c, args, found, children, grant);

	if (status != NFS4_OK || !grant->granted || sees_children(c, grant))
		return status;
	dirdeleg_cancel(c->client, &grant->stateid);
	return request_grant(c, args, found, false, grant);
}

static void answer_grant(const struct dirdeleg_grant *grant, uint64_t verifier,
	GET_DIR_DELEGATION4res_non_fatal *res)
{
	GET_DIR_DELEGATION4resok *ok = &res->gddrnf_resok4;

	res->gddrnf_status = GDD4_OK;
	verifier = htobe64(verifier);
	memcpy(ok->gddr_cookieverf, &verifier, sizeof(verifier));
	ok->gddr_stateid = grant->stateid;
	ok->gddr_notification = grant->notify;
	ok->gddr_child_attributes = grant->child_attrs;
	ok->gddr_dir_attributes = grant->dir_attrs;
}

static nfsstat4 read_dir(struct compound *c, struct attr *attr)
{
	nfsstat4 status = errmap_status(
		store_getattr(c->fh.export->store, &c->fh.id, attr));

	if (status != NFS4_OK)
		return status;
	return attr->type == OBJECT_DIR ? NFS4_OK : NFS4ERR_NOTDIR;
}

/*
 * Does the client know the directory as it is? Who is notified lists it after
 * the grant; who is only recalled may keep what it had before (dirseen.h).
 */
static bool is_up_to_date(
	struct compound *c, const GET_DIR_DELEGATION4args *args)
{
	struct nfs_server *server = c->server;
	struct attr attr;

	if (!bitmap4_empty(&args->gdda_notification_types))
		return true;
	return attrs_read(server, c->fh.export, &c->fh.id, &attr) == NFS4_OK &&
		!dirseen_is_outdated(&server->dirs_seen, c->client->id,
			&c->fh.id, attr.change);
}

/*
 * Permission, what the client knows, and what the store says of cookies.
 * Looked at before the grant, and again under the delegation: from then on what
 * becomes of them is told.
 */
static bool may_be_granted(struct compound *c,
	const GET_DIR_DELEGATION4args *args, struct found *found,
	enum deleg_refusal *why)
{
	struct store *store = c->fh.export->store;

	*why = DELEG_REFUSED_PERMISSION;
	if (!dirattr_may_watch(store, &c->cred, &c->fh.id))
		return false;
	*why = DELEG_REFUSED_OUTDATED;
	if (!is_up_to_date(c, args))
		return false;
	*why = DELEG_REFUSED_STORE;
	return store_dir_verifier(store, &c->fh.id, &found->verifier,
		       &found->cookies) == 0;
}

/* A refusal is never an error: the client's GETATTR stands behind it (DD-01). */
nfsstat4 op_get_dir_delegation(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const GET_DIR_DELEGATION4args *args = &arg->opget_dir_delegation;
	GET_DIR_DELEGATION4res_non_fatal *answer =
		&res->opget_dir_delegation.gddr_res_non_fatal4;
	struct dirdeleg_grant grant;
	struct found found;
	enum deleg_refusal why;
	nfsstat4 status;

	if (!state_get_config(c->server->state)->dir_delegations)
		return NFS4ERR_NOTSUPP;
	status = read_dir(c, &found.attr);
	if (status != NFS4_OK)
		return status;
	unavailable(answer);
	if (c->fh.export->is_pseudo) /* nothing changes there (DD-09) */
		return refuse(c, DELEG_REFUSED_PSEUDO);
	if (!may_be_granted(c, args, &found, &why))
		return refuse(c, why);
	status = request_seen(c, args, &found, &grant);
	if (status != NFS4_OK || !grant.granted)
		return status;
	if (!may_be_granted(c, args, &found, &why)) {
		/* The client has not heard of it: nothing to recall. */
		dirdeleg_cancel(c->client, &grant.stateid);
		return refuse(c, why);
	}
	answer_grant(&grant, found.verifier, answer);
	compound_set_stateid(c, &grant.stateid);
	return NFS4_OK;
}

/*
 * Waiting takes a permit, so that another thread is there for the answer that
 * is waited for, and for everybody else: an unmount returns all it has at once.
 * Only some may wait, the others are told to come again.
 */
static nfsstat4 return_waiting(struct compound *c, struct stateid *sid)
{
	struct nfs_server *server = c->server;
	nfsstat4 status = deleg_return(sid, &c->fh.id, false);

	if (status != NFS4ERR_DELAY ||
		!rpc_permit_try(server->rpc, &server->return_gate))
		return status;
	status = deleg_return(sid, &c->fh.id, true);
	rpc_permit_give(server->rpc, &server->return_gate);
	return status;
}

nfsstat4 op_delegreturn(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct stateid *sid;
	stateid4 wire;
	nfsstat4 status =
		compound_stateid(c, &arg->opdelegreturn.deleg_stateid, &wire);

	if (status == NFS4_OK)
		status = stateid_lookup(c->client, &wire,
			STATEID_DELEG_DIR | STATEID_DELEG_FILE, &sid);
	if (status != NFS4_OK)
		return status;
	status = return_waiting(c, sid);
	stateid_put(sid);
	return status;
}
