/* SPDX-License-Identifier: MIT */
/* Directory delegations and stateids; nfsc_ops.h. */
#include <errno.h>
#include <string.h>

#include "client/nfsc_ops.h"

/* ---- GET_DIR_DELEGATION ---- */

struct grant {
	void (*settle)(void *ctx, const struct nfsc_deleg *deleg);
	void *ctx;
	struct nfsc_deleg *deleg;
};

static void take_grant(
	const GET_DIR_DELEGATION4res_non_fatal *res, struct nfsc_deleg *ret)
{
	const GET_DIR_DELEGATION4resok *ok = &res->gddrnf_resok4;

	ret->granted = res->gddrnf_status == GDD4_OK;
	if (!ret->granted) {
		ret->will_signal = res->gddrnf_will_signal_deleg_avail;
		return;
	}
	ret->stateid = ok->gddr_stateid;
	memcpy(ret->verifier, ok->gddr_cookieverf, sizeof(ret->verifier));
	ret->types = ok->gddr_notification;
	ret->child_attrs = ok->gddr_child_attributes;
	ret->dir_attrs = ok->gddr_dir_attributes;
}

static void take_change(const nfs_resop4 *res, struct nfsc_deleg *ret)
{
	struct fattr4_values values;

	if (!res ||
		fattr4_decode(&res->opgetattr.resok4.obj_attributes, &values) !=
			NFS4_OK)
		return;
	ret->has_change = bitmap4_has(&values.mask, FATTR4_CHANGE);
	ret->change = values.attr.change;
}

/* Before the slot is free again, so that no recall can be too early. */
static void settle_grant(void *ctx, struct nfsc_compound *compound)
{
	struct grant *grant = ctx;
	const nfs_resop4 *res = nfsc_result(compound, 1);

	*grant->deleg = (struct nfsc_deleg){.generation = compound->generation};
	if (!res)
		return;
	take_grant(
		&res->opget_dir_delegation.gddr_res_non_fatal4, grant->deleg);
	take_change(nfsc_result(compound, 2), grant->deleg);
	if (grant->deleg->granted && grant->settle)
		grant->settle(grant->ctx, grant->deleg);
}

int nfsc_get_dir_delegation(struct nfsc *c, const struct nfsc_fh *dir,
	const struct nfsc_deleg_want *want,
	void (*settle)(void *ctx, const struct nfsc_deleg *deleg), void *ctx,
	struct nfsc_deleg *ret)
{
	scope_compound struct nfsc_compound compound;
	struct grant grant = {.settle = settle, .ctx = ctx, .deleg = ret};
	GET_DIR_DELEGATION4args *args;
	int err;

	nfsc_compound_init(&compound);
	compound.settle = settle_grant;
	compound.settle_ctx = &grant;
	nfsc_add_putfh(&compound, dir);
	args = &nfsc_add(&compound, OP_GET_DIR_DELEGATION)
			->opget_dir_delegation;
	args->gdda_signal_deleg_avail = want->signal;
	args->gdda_notification_types = want->types;
	args->gdda_child_attr_delay = want->child_delay;
	args->gdda_dir_attr_delay = want->dir_delay;
	args->gdda_child_attributes = want->child_attrs;
	args->gdda_dir_attributes = want->dir_attrs;
	bitmap4_set(&nfsc_add(&compound, OP_GETATTR)->opgetattr.attr_request,
		FATTR4_CHANGE);
	err = nfsc_run(c, &compound);
	/* A grant stands even if the GETATTR behind it failed. */
	return err > 0 && nfsc_result(&compound, 1) ? 0 : err;
}

/* ---- DELEGRETURN ---- */

int nfsc_delegreturn(struct nfsc *c, const struct nfsc_fh *fh,
	const stateid4 *stateid, uint64_t *change)
{
	scope_compound struct nfsc_compound compound;
	struct nfsc_deleg before = {.has_change = false};
	int err;

	nfsc_compound_init(&compound);
	nfsc_add_putfh(&compound, fh);
	if (change)
		bitmap4_set(&nfsc_add(&compound, OP_GETATTR)
				     ->opgetattr.attr_request,
			FATTR4_CHANGE);
	nfsc_add(&compound, OP_DELEGRETURN)->opdelegreturn.deleg_stateid =
		*stateid;
	err = nfsc_run(c, &compound);
	if (!change)
		return err;
	take_change(nfsc_result(&compound, 1), &before);
	*change = before.has_change ? before.change : 0;
	return err;
}

int nfsc_delegreturn_some(struct nfsc *c, const struct nfsc_fh *const *fhs,
	const stateid4 *stateids, unsigned n, unsigned *done)
{
	scope_compound struct nfsc_compound compound;
	struct nfsc_info info;
	unsigned room;
	int err;

	*done = 0;
	nfsc_read_info(c, &info);
	room = info.fore.ca_maxoperations > 3
		? (info.fore.ca_maxoperations - 1) / 2
		: 1;
	nfsc_compound_init(&compound);
	for (unsigned i = 0; i < n && i < room; i++) {
		nfsc_add_putfh(&compound, fhs[i]);
		nfsc_add(&compound, OP_DELEGRETURN)
			->opdelegreturn.deleg_stateid = stateids[i];
	}
	err = nfsc_run(c, &compound);
	if (err >= 0) {
		while (nfsc_result(&compound, 2 * *done + 1))
			*done += 1;
	}
	return err;
}

/* ---- stateids ---- */

int nfsc_test_stateids(
	struct nfsc *c, const stateid4 *stateids, unsigned n, nfsstat4 *ret)
{
	scope_compound struct nfsc_compound compound;
	const TEST_STATEID4resok *ok;
	TEST_STATEID4args *args;
	int err;

	nfsc_compound_init(&compound);
	compound.idempotent = true;
	args = &nfsc_add(&compound, OP_TEST_STATEID)->optest_stateid;
	args->ts_stateids.count = n;
	args->ts_stateids.items = (stateid4 *)(uintptr_t)stateids;
	err = nfsc_run(c, &compound);
	if (err)
		return err;
	ok = &nfsc_result(&compound, 0)->optest_stateid.tsr_resok4;
	if (ok->tsr_status_codes.count != n)
		return -EPROTO;
	if (n)
		memcpy(ret, ok->tsr_status_codes.items, n * sizeof(*ret));
	return 0;
}

int nfsc_free_stateid(struct nfsc *c, const stateid4 *stateid)
{
	scope_compound struct nfsc_compound compound;

	nfsc_compound_init(&compound);
	nfsc_add(&compound, OP_FREE_STATEID)->opfree_stateid.fsa_stateid =
		*stateid;
	return nfsc_run(c, &compound);
}
