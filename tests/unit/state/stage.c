/* SPDX-License-Identifier: MIT */
#include "stage.h"

#include <stdlib.h>

#include "state/cbsession.h"

/* ---- the sender ---- */

static void note_notify(void *ctx, struct deleg *d)
{
	struct stage *st = ctx;

	assert_true(st->notifies < STAGE_SENT_MAX);
	st->notify[st->notifies++] = d;
}

static void note_recall(void *ctx, struct deleg *d)
{
	struct stage *st = ctx;

	assert_true(st->recalls < STAGE_SENT_MAX);
	st->recall[st->recalls++] = d;
}

static struct deleg *pop(struct deleg **from, int *count)
{
	struct deleg *d;

	if (*count == 0)
		return NULL;
	d = from[0];
	memmove(from, from + 1, --*count * sizeof(*from));
	return d;
}

struct deleg *stage_pop_notify(struct stage *st)
{
	return pop(st->notify, &st->notifies);
}

struct deleg *stage_pop_recall(struct stage *st)
{
	return pop(st->recall, &st->recalls);
}

void stage_assert_quiet(struct stage *st)
{
	assert_int_equal(st->notifies, 0);
	assert_int_equal(st->recalls, 0);
}

void stage_deliver(struct stage *st, struct deleg *d, ...)
{
	struct dir_event *got[64];
	struct deleg *popped = stage_pop_notify(st);
	const char *name;
	size_t n, i = 0;
	va_list names;

	assert_ptr_equal(popped, d);
	n = batch_take(d, got, 64);
	va_start(names, d);
	while ((name = va_arg(names, const char *))) {
		struct dir_change c;

		assert_true(i < n);
		dir_event_read(got[i++], &c);
		assert_true(name_equal(c.entry.name, name_from_str(name)));
	}
	va_end(names);
	assert_int_equal(i, n);
	for (i = 0; i < n; i++)
		dir_event_put(got[i]);
	batch_done(d, n, BATCH_OK);
}

/* ---- the stage ---- */

void stage_prepare(struct stage *st)
{
	*st = (struct stage){.back_request = 65536};
	world_prepare(&st->w);
	st->w.config.lease_ms = STAGE_LEASE_MS;
	st->w.config.recall_wait_ms = 0;
	st->w.config.ops.send_notify = note_notify;
	st->w.config.ops.send_recall = note_recall;
}

void stage_start(struct stage *st)
{
	world_start(&st->w);
}

void stage_init(struct stage *st)
{
	stage_prepare(st);
	stage_start(st);
}

void stage_fini(struct stage *st)
{
	struct deleg *d;
	struct actor *a;

	while ((d = stage_pop_notify(st)))
		batch_done(d, 0, BATCH_ERROR);
	while ((d = stage_pop_recall(st)))
		recall_sent(d, RECALL_SENT);
	while ((a = st->actors)) {
		st->actors = a->next;
		peer_drop(&a->peer);
		free(a);
	}
	world_stop(&st->w);
}

void stage_pass(struct stage *st, uint64_t ms)
{
	world_advance(&st->w, ms);
}

struct state_stats stage_stats(struct stage *st)
{
	struct state_stats stats;

	state_read_stats(st->w.state, &stats);
	return stats;
}

/* ---- clients ---- */

struct client *stage_client_new(struct stage *st, const char *name)
{
	EXCHANGE_ID4resok id = exchange(&st->w, name, 1);
	CREATE_SESSION4args args =
		session_args(id.eir_clientid, id.eir_sequenceid);
	struct actor *a = calloc(1, sizeof(*a));
	struct peer *p = &a->peer;

	args.csa_back_chan_attrs.ca_maxrequestsize = st->back_request;
	*p = (struct peer){.w = &st->w, .conn = conn_make(), .seqid = {1}};
	assert_int_equal(session_create(st->w.state, &args, 1, &root, p->conn,
				 &p->session),
		NFS4_OK);
	p->client = client_find(st->w.state, id.eir_clientid);
	assert_non_null(p->client);
	a->next = st->actors;
	st->actors = a;
	return client_ref(p->client);
}

void stage_answer_probe(struct client *c)
{
	struct cb_slot slot;

	assert_int_equal(cbsession_slot_take(c, 0, &slot), CB_SLOT_TAKEN);
	cbsession_slot_give(&slot, CB_ANSWERED);
	assert_int_equal(cbsession_health(c), CB_HEALTH_UP);
}

struct client *stage_client(struct stage *st, const char *name)
{
	struct client *c = stage_client_new(st, name);

	assert_int_equal(client_reclaim_complete(c, false), NFS4_OK);
	stage_answer_probe(c);
	return c;
}

static struct peer *peer_of(struct stage *st, const struct client *c)
{
	struct actor *a = st->actors;

	while (a && a->peer.client != c)
		a = a->next;
	assert_non_null(a);
	return &a->peer;
}

void stage_cut(struct stage *st, struct client *c)
{
	session_conn_gone(st->w.state, peer_of(st, c)->conn);
}

void stage_use_slot(struct stage *st, struct client *c)
{
	peer_sequence(peer_of(st, c));
}

/* ---- delegations ---- */

struct fileid stage_dir(unsigned number)
{
	struct fileid id = {.len = sizeof(number)};

	memcpy(id.data, &number, sizeof(number));
	return id;
}

void stage_request(struct dirdeleg_request *r, uint32_t ask)
{
	static const uint8_t fh[] = "handle";

	*r = (struct dirdeleg_request){
		.notify.word[0] = ask,
		.fh = fh,
		.fh_len = sizeof(fh),
		.will_own_order = true,
		.quiet_ms = UINT64_MAX,
	};
	if (ask & 1u << NOTIFY4_CHANGE_CHILD_ATTRS) {
		bitmap4_set(&r->child_attrs, FATTR4_SIZE);
		bitmap4_set(&r->child_attrs, FATTR4_MODE);
	}
	if (ask & 1u << NOTIFY4_CHANGE_DIR_ATTRS) {
		bitmap4_set(&r->dir_attrs, FATTR4_CHANGE);
		bitmap4_set(&r->dir_attrs, FATTR4_SIZE);
		bitmap4_set(&r->dir_attrs, FATTR4_MODE);
	}
}

struct deleg *stage_find(struct client *c, const stateid4 *wire)
{
	struct stateid *sid;

	assert_int_equal(
		stateid_lookup(c, wire, STATEID_DELEG_DIR, &sid), NFS4_OK);
	return deleg_of(sid);
}

struct deleg *stage_grant(
	struct stage *st, struct client *c, unsigned dir, uint32_t ask)
{
	struct peer *p = peer_of(st, c);
	struct fileid id = stage_dir(dir);
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;

	stage_request(&request, ask);
	memcpy(request.slot.session, p->session.csr_sessionid,
		sizeof(request.slot.session));
	request.slot.seqid = p->seqid[0] - 1;
	assert_int_equal(dirdeleg_grant(c, &id, &request, &grant), NFS4_OK);
	return grant.granted ? stage_find(c, &grant.stateid) : NULL;
}

/* ---- changes ---- */

static void fill_change(
	struct dir_change *c, enum change_kind kind, const char *name)
{
	*c = (struct dir_change){.kind = kind};
	c->entry.name = name_from_str(name);
	c->entry.cookie = 1000;
	if (kind == CHANGE_RENAME_ENTRY)
		c->old.name = name_from_str("old");
}

static nfsstat4 run(struct stage *st, struct client *who,
	const struct fileid *a, const struct fileid *b, enum change_kind ka,
	enum change_kind kb, const char *name)
{
	struct dirchange dc = {0};
	struct dirchange_plan plan = {.kind = {ka, kb}, .exact = {true, true}};
	struct dir_change change[2], *changes[2] = {&change[0], &change[1]};
	int64_t now = clock_file_ns(&st->w.clock);
	nfsstat4 status;

	assert_int_equal(dirchange_begin(&dc, st->w.state, who, a, b), NFS4_OK);
	plan.ctime_ns[0] = plan.ctime_ns[1] = now;
	status = dirchange_admit(&dc, &plan);
	if (status != NFS4_OK || !name) {
		dirchange_abort(&dc);
		if (status != NFS4_OK)
			assert_false(dirchange_wait(&dc));
		return status;
	}
	fill_change(&change[0], ka, name);
	fill_change(&change[1], kb, name);
	dirchange_commit(&dc, changes, (int64_t[2]){now, now});
	assert_true(change[0].after != change[0].before);
	return NFS4_OK;
}

nfsstat4 stage_change(struct stage *st, struct client *who, unsigned dir,
	enum change_kind kind, const char *name)
{
	struct fileid id = stage_dir(dir);

	return run(st, who, &id, NULL, kind, kind, name);
}

nfsstat4 stage_try(struct stage *st, struct client *who, unsigned dir,
	enum change_kind kind)
{
	struct fileid id = stage_dir(dir);

	return run(st, who, &id, NULL, kind, kind, NULL);
}

nfsstat4 stage_move(struct stage *st, struct client *who, unsigned from,
	unsigned to, const char *name)
{
	struct fileid a = stage_dir(from), b = stage_dir(to);

	return run(
		st, who, &a, &b, CHANGE_REMOVE_ENTRY, CHANGE_ADD_ENTRY, name);
}
