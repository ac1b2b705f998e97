/* SPDX-License-Identifier: MIT */
/* OPEN, OPEN_DOWNGRADE, CLOSE (RFC 8881 18.16, 18.18, 18.2). */
#include "nfs/ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nfs/attrs.h"
#include "nfs/change.h"
#include "nfs/errmap.h"
#include "nfs/stateid_arg.h"
#include "state/node.h"
#include "state/open.h"
#include "store/store.h"

#define ACCESS_WANT_FLAGS                                               \
	(OPEN4_SHARE_ACCESS_WANT_DELEG_MASK |                           \
		OPEN4_SHARE_ACCESS_WANT_SIGNAL_DELEG_WHEN_RESRC_AVAIL | \
		OPEN4_SHARE_ACCESS_WANT_PUSH_DELEG_WHEN_UNCONTENDED |   \
		OPEN4_SHARE_ACCESS_WANT_DELEG_TIMESTAMPS |              \
		OPEN4_SHARE_ACCESS_WANT_OPEN_XOR_DELEGATION)

/* A name whose file is gone as soon as it is looked up is tried so often. */
#define FIND_TRIES 4

/* One OPEN on its way: what was asked, then what was found or made. */
struct open_job {
	struct compound *c;
	const OPEN4args *args;
	struct store *store;
	uint32_t access, deny;
	struct fileid dir; /* CLAIM_NULL */
	struct name name;
	struct store_new new; /* OPEN4_CREATE */
	bitmap4 given;        /* attributes named by the client */
	struct fileid file;
	bool created;  /* made now */
	bool is_maker; /* made now, or by this user's earlier try */
	bool pinned;   /* made now or nameless, and kept until it is open */
	struct open_try try; /* what is not granted is given up */
	void *room;          /* for a node, see node_room_new() */
	OPEN4resok *ok;
};

/* ---- what was asked ---- */

static nfsstat4 decode_share(struct open_job *job)
{
	uint32_t access = job->args->share_access;

	job->access = access & OPEN4_SHARE_ACCESS_BOTH;
	job->deny = job->args->share_deny;
	if (access & ~(OPEN4_SHARE_ACCESS_BOTH | ACCESS_WANT_FLAGS))
		return NFS4ERR_INVAL;
	if (job->access == 0 || job->deny > OPEN4_SHARE_DENY_BOTH)
		return NFS4ERR_INVAL;
	return NFS4_OK;
}

static void set_verifier(struct open_job *job, const uint8_t *verifier)
{
	job->new.exclusive = true;
	memcpy(&job->new.verifier, verifier, sizeof(job->new.verifier));
}

static nfsstat4 decode_how(struct open_job *job)
{
	const createhow4 *how = &job->args->openhow.how;

	job->new.type = OBJECT_FILE;
	switch (how->mode) {
	case UNCHECKED4:
	case GUARDED4:
		return attrs_decode_settable(&how->createattrs, FATTR4_CREATE,
			&job->new.attr, &job->given);
	case EXCLUSIVE4:
		set_verifier(job, how->createverf);
		return NFS4_OK;
	case EXCLUSIVE4_1:
		set_verifier(job, how->ch_createboth.cva_verf);
		return attrs_decode_settable(&how->ch_createboth.cva_attrs,
			FATTR4_EXCLUSIVE, &job->new.attr, &job->given);
	default:
		return NFS4ERR_BADXDR;
	}
}

/* ---- creating (CLAIM_NULL, OPEN4_CREATE) ---- */

struct open_change {
	struct name_change nc;
	struct open_job *job;
};

static nfsstat4 open_create_check(
	struct name_change *nc, struct dirchange_plan *plan)
{
	struct open_job *job = container_of(nc, struct open_change, nc)->job;

	plan->kind[0] = CHANGE_ADD_ENTRY;
	return errmap_status(store_check_create(
		nc->store, &nc->c->cred, nc->dir[0], job->name, OBJECT_FILE));
}

/*
 * Its maker asked for an open file: whoever takes the name away before that is
 * granted does not take the file.
 */
static int open_create_apply(struct name_change *nc)
{
	struct open_job *job = container_of(nc, struct open_change, nc)->job;
	int err = store_create(nc->store, &nc->c->cred, nc->dir[0], job->name,
		&job->new, &nc->child, &nc->change[0]);

	if (err < 0)
		return err;
	job->file = nc->child;
	job->pinned = store_pin(nc->store, &job->file) == 0;
	return 0;
}

/*
 * An open that cannot be kept makes no file (18.16): there is room and memory
 * for it before there is one.
 */
static nfsstat4 reserve(struct open_job *job)
{
	if (!job->room)
		job->room = node_room_new();
	if (!job->room)
		return NFS4ERR_DELAY;
	return open_reserve(job->c->client, &job->args->owner.owner, &job->try);
}

static nfsstat4 create_file(struct open_job *job)
{
	struct open_change oc = {
		.nc = {.c = job->c,
			.store = job->store,
			.dir = {&job->dir},
			.check = open_create_check,
			.apply = open_create_apply,
			.child_type = OBJECT_FILE},
		.job = job,
	};
	nfsstat4 status;

	if (job->c->fh.export->read_only)
		return NFS4ERR_ROFS;
	status = reserve(job);
	if (status == NFS4_OK)
		status = change_run(&oc.nc);
	if (status != NFS4_OK)
		return status;
	job->created = job->is_maker = true;
	job->ok->cinfo = oc.nc.info[0];
	job->ok->attrset = job->given;
	return NFS4_OK;
}

/* ---- what exists ---- */

/* change_info4 of a directory that stays as it is. */
static nfsstat4 unchanged_info(struct open_job *job)
{
	struct attr attr;
	nfsstat4 status =
		attrs_read(job->c->server, job->c->fh.export, &job->dir, &attr);

	job->ok->cinfo = (change_info4){
		.atomic = !job->c->fh.export->local_changes,
		.before = attr.change,
		.after = attr.change,
	};
	return status;
}

/*
 * The verifier is no secret and stays with the file: it says what is meant,
 * and not who may.
 */
static nfsstat4 exclusive_retry(struct open_job *job)
{
	struct attr attr;
	bool match;
	nfsstat4 status = errmap_status(store_exclusive_match(
		job->store, &job->file, job->new.verifier, &match));

	if (status == NFS4_OK && !match)
		status = NFS4ERR_EXIST;
	if (status == NFS4_OK)
		status = errmap_status(
			store_getattr(job->store, &job->file, &attr));
	if (status != NFS4_OK)
		return status;
	job->is_maker = attr.uid == job->c->cred.uid;
	job->ok->attrset = job->given;
	return NFS4_OK;
}

/* UNCHECKED4 of an existing file: only a size of 0 means anything. */
static bool truncates(const struct open_job *job)
{
	return !job->created && !job->new.exclusive &&
		(job->new.attr.mask &SETATTR_SIZE) && job->new.attr.size == 0;
}

/* To empty a file is to write it, whatever it is opened for. */
static uint32_t needed_access(const struct open_job *job)
{
	uint32_t more = truncates(job) ? OPEN4_SHARE_ACCESS_WRITE : 0;

	return job->access | more;
}

/* Who made the file may use it as asked, whatever its mode. */
static nfsstat4 check_permission(struct open_job *job)
{
	uint32_t access = needed_access(job), may = 0;
	int err;

	if (access & OPEN4_SHARE_ACCESS_READ)
		may |= STORE_MAY_READ;
	if (access & OPEN4_SHARE_ACCESS_WRITE)
		may |= STORE_MAY_WRITE;
	if ((may & STORE_MAY_WRITE) && job->c->fh.export->read_only)
		return NFS4ERR_ROFS;
	if (job->is_maker)
		return NFS4_OK;
	err = store_open_check(job->store, &job->c->cred, &job->file, may);
	/* Neither file, directory nor symlink (18.16.3). */
	return err == -ENXIO ? NFS4ERR_WRONG_TYPE : errmap_status(err);
}

static nfsstat4 open_by_name(struct open_job *job)
{
	bool create = job->args->openhow.opentype == OPEN4_CREATE;
	createmode4 mode = job->args->openhow.how.mode;
	nfsstat4 status = errmap_status(store_lookup(
		job->store, &job->c->cred, &job->dir, job->name, &job->file));

	if (status == NFS4ERR_NOENT && create) {
		status = create_file(job);
		if (status != NFS4ERR_EXIST)
			return status;
		/* Somebody else was faster: it is there now. */
		status = errmap_status(store_lookup(job->store, &job->c->cred,
			&job->dir, job->name, &job->file));
	}
	if (status != NFS4_OK)
		return fh_not_a_directory(job->c, status);
	status = unchanged_info(job);
	if (status != NFS4_OK || !create || mode == UNCHECKED4)
		return status;
	return job->new.exclusive ? exclusive_retry(job) : NFS4ERR_EXIST;
}

static nfsstat4 find_file(struct open_job *job)
{
	struct compound *c = job->c;
	nfsstat4 status;

	switch (job->args->claim.claim) {
	case CLAIM_NULL:
		job->dir = c->fh.id;
		status = compound_name(&job->args->claim.file, &job->name);
		return status == NFS4_OK ? open_by_name(job) : status;
	case CLAIM_FH:
		if (job->args->openhow.opentype == OPEN4_CREATE)
			return NFS4ERR_INVAL;
		job->file = c->fh.id;
		return NFS4_OK;
	case CLAIM_PREVIOUS: /* no records are kept yet: refuse all (8.4.3) */
		return NFS4ERR_NO_GRACE;
	default:
		return NFS4ERR_NOTSUPP;
	}
}

/* ---- the open itself ---- */

static nfsstat4 truncate_existing(struct open_job *job)
{
	struct setattr set = {.mask = SETATTR_SIZE, .size = 0};
	struct attrs_change change;
	int err;

	if (!truncates(job))
		return NFS4_OK;
	attrs_change_begin(&change, job->c, &job->file);
	err = store_setattr(
		job->store, &job->c->cred, &job->file, STORE_IO_CHECK, &set);
	attrs_change_end(&change, attrs_may_have_changed(err), NULL);
	if (err < 0)
		return errmap_status(err);
	bitmap4_set(&job->ok->attrset, FATTR4_SIZE);
	return NFS4_OK;
}

/*
 * Whoever takes the last name away from now on finds the open and keeps the
 * file (change.c, pin_victim). If it is gone already, then a pin that is still
 * there may be about to go: it takes one of our own.
 */
static nfsstat4 keep_open_file(struct open_job *job, struct node *node)
{
	struct attr attr;
	int err = store_getattr(job->store, &job->file, &attr);

	if (err == 0 && attr.nlink > 0)
		return NFS4_OK;
	if (!job->pinned && err == 0)
		err = store_pin(job->store, &job->file);
	if (!job->pinned && err < 0)
		return errmap_status(err);
	/* Unless it is pinned for its opens already, the last close unpins. */
	job->pinned = !node_set_pinned(node, job->store);
	return NFS4_OK;
}

/*
 * The file is changed last, when nothing but that can fail any more, and by
 * who keeps others from what a writer is in the way of.
 */
static nfsstat4 grant(struct open_job *job, struct node *node)
{
	nfsstat4 status =
		open_begin(job->c->client, node, &job->args->owner.owner,
			needed_access(job), job->deny, &job->try);

	if (status != NFS4_OK)
		return status;
	status = keep_open_file(job, node);
	if (status == NFS4_OK)
		status = truncate_existing(job);
	if (status == NFS4_OK)
		return open_commit(
			&job->try, job->access, job->deny, &job->ok->stateid);
	open_abort(&job->try);
	return status;
}

static nfsstat4 grant_on_node(struct open_job *job)
{
	struct node *node =
		node_get_in(job->c->server->state, &job->file, &job->room);
	nfsstat4 status;

	if (!node)
		return NFS4ERR_DELAY;
	status = grant(job, node);
	node_put(node);
	return status;
}

/* What GUARDED4 has made would be in its way when it comes again. */
static nfsstat4 no_second_try(const struct open_job *job, nfsstat4 status)
{
	bool guarded = job->args->openhow.how.mode == GUARDED4;

	if (status == NFS4ERR_DELAY && job->is_maker && guarded)
		return NFS4ERR_IO;
	return status;
}

static void finish(struct open_job *job)
{
	open_abort(&job->try);
	free(job->room);
	if (job->pinned)
		store_unpin(job->store, &job->file);
}

/* File delegations are not given yet; who asked is told why not (18.16.3). */
static void answer_delegation(struct open_job *job)
{
	open_delegation4 *d = &job->ok->delegation;
	uint32_t want =
		job->args->share_access & OPEN4_SHARE_ACCESS_WANT_DELEG_MASK;

	if (want == OPEN4_SHARE_ACCESS_WANT_NO_PREFERENCE) {
		d->delegation_type = OPEN_DELEGATE_NONE;
		return;
	}
	d->delegation_type = OPEN_DELEGATE_NONE_EXT;
	if (want == OPEN4_SHARE_ACCESS_WANT_NO_DELEG)
		d->od_whynone.ond_why = WND4_NOT_WANTED;
	else if (want == OPEN4_SHARE_ACCESS_WANT_CANCEL)
		d->od_whynone.ond_why = WND4_CANCELLED;
	else
		d->od_whynone.ond_why = WND4_RESOURCE;
}

static nfsstat4 may_open_now(struct open_job *job)
{
	if (job->args->claim.claim == CLAIM_PREVIOUS)
		return NFS4_OK; /* find_file() has the answer */
	if (state_in_grace(job->c->server->state))
		return NFS4ERR_GRACE;
	if (!job->c->client->reclaim_complete) /* 8.4.2.1 */
		return NFS4ERR_GRACE;
	return NFS4_OK;
}

/*
 * What was found may be gone before it is open. By name that is nobody's stale
 * handle: look again.
 */
static nfsstat4 find_and_open(struct open_job *job)
{
	bool by_name = job->args->claim.claim == CLAIM_NULL;
	int tries = by_name ? FIND_TRIES : 1;
	nfsstat4 status;

	do {
		status = find_file(job);
		if (status != NFS4_OK)
			return status;
		status = check_permission(job);
		if (status == NFS4_OK)
			status = grant_on_node(job);
	} while (status == NFS4ERR_STALE && !job->created && --tries > 0);
	return status;
}

nfsstat4 op_open(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	struct open_job job = {
		.c = c,
		.args = &arg->opopen,
		.store = c->fh.export->store,
		.ok = &res->opopen.resok4,
	};
	nfsstat4 status = decode_share(&job);

	if (status == NFS4_OK && job.args->openhow.opentype == OPEN4_CREATE)
		status = decode_how(&job);
	if (status == NFS4_OK)
		status = may_open_now(&job);
	if (status == NFS4_OK)
		status = find_and_open(&job);
	finish(&job);
	if (status != NFS4_OK)
		return no_second_try(&job, status);
	job.ok->rflags = OPEN4_RESULT_LOCKTYPE_POSIX;
	answer_delegation(&job);
	compound_set_fh(c, c->fh.export, &job.file);
	compound_set_stateid(c, &job.ok->stateid);
	return NFS4_OK;
}

nfsstat4 op_open_downgrade(
	struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	const OPEN_DOWNGRADE4args *args = &arg->opopen_downgrade;
	stateid4 *ret = &res->opopen_downgrade.resok4.open_stateid;
	struct stateid *sid;
	nfsstat4 status =
		stateid_for_fh(c, &args->open_stateid, STATEID_OPEN, &sid);

	if (status != NFS4_OK)
		return status;
	status = open_downgrade(sid, args->share_access, args->share_deny, ret);
	stateid_put(sid);
	if (status == NFS4_OK)
		compound_set_stateid(c, ret);
	return status;
}

nfsstat4 op_close(struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res)
{
	stateid4 *ret = &res->opclose.open_stateid;
	struct stateid *sid;
	nfsstat4 status = stateid_for_fh(
		c, &arg->opclose.open_stateid, STATEID_OPEN, &sid);

	if (status != NFS4_OK)
		return status;
	status = open_close(sid, ret);
	stateid_put(sid);
	if (status == NFS4_OK)
		compound_set_stateid(c, ret);
	return status;
}
