/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dirnotify.h"
#include "state/dirdeleg.h"

/* ---- life ---- */

static struct dircache *new_model(const struct hold *h)
{
	struct dircache_config config = {
		.keep = dirattr_known(), .ordered = hold_hears_all(h)};
	struct dircache *m = dircache_new(&config);

	if (!m)
		abort();
	return m;
}

/* In a narrow hash cookies may move before the recall for it is here. */
static bool is_fed(const struct hold *h)
{
	const uint32_t moves = UINT32_C(1) << CHANGE_COOKIE_VERIFIER;

	return hold_hears_all(h) &&
		(!h->peer->world->options.narrow ||
			(h->terms.kinds & dirdeleg_supported() & moves));
}

static struct hold *hold_new(struct peer *p, int top, int via,
	const struct nfsc_fh *dir, const struct terms *terms)
{
	struct hold *h = calloc(1, sizeof(*h));

	if (!h)
		abort();
	h->peer = p;
	h->top = top;
	h->via = via;
	h->fh = *dir;
	h->dir = prop_fileid(p->world, dir);
	h->inode = prop_inode(p->world, &h->dir);
	h->terms = *terms;
	h->reason = h->on_its_way = -1;
	list_init(&h->events);
	h->model = new_model(h);
	if (is_fed(h)) {
		h->live = new_model(h);
		dircache_fill_begin(h->live);
	}
	terms_make_want(h);
	return h;
}

void hold_free(struct hold *h)
{
	struct event *e, *tmp;

	list_for_each_entry_safe(e, tmp, &h->events, link)
		free(e);
	dircache_free(h->model);
	dircache_free(h->live);
	free(h);
}

static struct hold *find_dir(struct peer *p, const struct nfsc_fh *dir)
{
	struct hold *h;

	list_for_each_entry(h, &p->holds, link) {
		if (h->state != HOLD_ENDED && nfsc_fh_equal(&h->fh, dir))
			return h;
	}
	return NULL;
}

static bool is_told_of(struct hold *h, int who, const struct fileid *dir)
{
	return h->state == HOLD_LIVE && hold_is_probed(h) &&
		!hold_is_own(h, who) && fileid_equal(&h->dir, dir);
}

bool hold_is_watched(struct peer *p, const struct nfsc_fh *dir)
{
	struct fileid id = prop_fileid(p->world, dir);
	bool found = false;

	for (int i = 0; i < PEERS && !found; i++) {
		struct peer *other = &p->world->peers[i];
		struct hold *h;

		pthread_mutex_lock(&other->lock);
		list_for_each_entry(h, &other->holds, link)
			found |= is_told_of(h, p->index, &id);
		pthread_mutex_unlock(&other->lock);
	}
	return found;
}

void hold_take_moment(struct world *w, struct moment *m)
{
	for (int i = 0; i < PEERS; i++)
		m->done[i] = w->peers[i].done;
	m->seq = spy_seq();
}

/* ---- others ---- */

bool hold_shares_name(const struct hold *h, const struct spy_name *name)
{
	return actor_did(LOCAL_NAME, h->inode,
		prop_name_index(h->peer->world, spy_name(name)));
}

bool hold_shares_names(const struct hold *h, const struct spy_change *c)
{
	return hold_shares_name(h, &c->name) ||
		(c->kind == CHANGE_RENAME_ENTRY &&
			hold_shares_name(h, &c->old));
}

/* ---- asking ---- */

static void granted(void *ctx, const struct nfsc_deleg *deleg)
{
	struct hold *h = ctx;

	pthread_mutex_lock(&h->peer->lock);
	h->deleg = *deleg;
	h->granted = spy_seq();
	h->state = HOLD_LIVE;
	pthread_mutex_unlock(&h->peer->lock);
}

struct listing {
	struct hold *hold; /* NULL: only `model` */
	struct dircache *model;
};

static int list_entry_cb(void *ctx, const struct dircache_entry *entry)
{
	struct listing *l = ctx;
	int err = dircache_fill_entry(l->model, entry);

	if (err == 0 && l->hold && l->hold->live) {
		pthread_mutex_lock(&l->hold->peer->lock);
		err = dircache_fill_entry(l->hold->live, entry);
		pthread_mutex_unlock(&l->hold->peer->lock);
	}
	return err;
}

static int list_once(struct nfsc *c, const struct nfsc_fh *dir,
	const bitmap4 *attrs, struct listing *l, struct nfsc_page *page)
{
	dircache_fill_begin(l->model);
	return nfsc_readdir(c, dir, attrs, page, list_entry_cb, l);
}

int hold_list(struct nfsc *c, const struct nfsc_fh *dir, const bitmap4 *attrs,
	struct dircache *model)
{
	struct listing l = {.model = model};
	struct nfsc_page page = {.cookie = 0};
	int err = list_once(c, dir, attrs, &l, &page);

	if (err)
		return err;
	err = dircache_fill_end(model, dirnotify_verifier(page.verifier));
	dircache_settle(model);
	return err;
}

/* A verifier that moves under the listing: begin again. */
static int fill(struct hold *h)
{
	struct peer *p = h->peer;
	struct listing l = {.hold = h, .model = h->model};
	bitmap4 attrs = h->deleg.child_attrs;
	struct nfsc_page page;
	int err, tries = 0;

	bitmap4_set(&attrs, FATTR4_TYPE);
	bitmap4_set(&attrs, FATTR4_FILEID);
	bitmap4_set(&attrs, FATTR4_FILEHANDLE);
	h->filled = h->looked = spy_seq();
	for (int i = 0; i < ALL_NAMES; i++) {
		h->known[i].since_ns = p->world->began_ns;
		h->known[i].linked = false;
	}
	do {
		page = (struct nfsc_page){.cookie = 0};
		err = list_once(p->client, &h->fh, &attrs, &l, &page);
	} while (err == NFS4ERR_NOT_SAME && ++tries < 10);
	if (err)
		return err;
	if (!p->world->options.narrow &&
		memcmp(page.verifier, h->deleg.verifier, sizeof(verifier4)))
		prop_fail(p->world, "the grant has another verifier");
	err = dircache_fill_end(h->model, dirnotify_verifier(page.verifier));
	if (err == 0 && h->live) {
		pthread_mutex_lock(&p->lock);
		err = dircache_fill_end(
			h->live, dirnotify_verifier(page.verifier));
		pthread_mutex_unlock(&p->lock);
	}
	if (err)
		prop_fail(p->world, "filling a model: %d", err);
	return 0;
}

/* What a client reads when it takes up the delegation. */
static void read_dir_attrs(struct hold *h)
{
	struct peer *p = h->peer;
	struct fattr4_values values;
	bitmap4 fresh;

	if (!hold_covers(h, CHANGE_DIR_ATTRS) ||
		nfsc_getattr(p->client, &h->fh, &h->deleg.dir_attrs, &values))
		return;
	pthread_mutex_lock(&p->lock);
	fresh = bitmap4_minus(&values.mask, &h->dir_mask);
	dirattr_copy(&h->dir_attr, &values.attr, &fresh);
	h->dir_mask = bitmap4_or(&h->dir_mask, &fresh);
	pthread_mutex_unlock(&p->lock);
}

static void take_up(struct hold *h)
{
	h->peer->world->grants++;
	terms_check_grant(h);
	read_dir_attrs(h);
	h->usable = !bitmap4_empty(&h->deleg.types) && fill(h) == 0;
}

static void refused(struct hold *h, int err)
{
	struct peer *p = h->peer;

	if (err < 0 && p->expiries == 0)
		prop_fail(p->world, "GET_DIR_DELEGATION: %d", err);
	hold_free(h);
	p->world->refusals++;
}

void hold_ask(struct peer *p, int top, int via, const struct nfsc_fh *dir,
	const struct terms *terms)
{
	/* The hold's own copy is the handlers': it is there before they are. */
	struct nfsc_deleg answer;
	struct hold *h;
	bool is_granted;
	int err;

	pthread_mutex_lock(&p->lock);
	h = find_dir(p, dir);
	pthread_mutex_unlock(&p->lock);
	if (h || !terms->ask)
		return;
	h = hold_new(p, top, via, dir, terms);
	pthread_mutex_lock(&p->lock);
	list_add_tail(&p->holds, &h->link);
	pthread_mutex_unlock(&p->lock);
	hold_take_moment(p->world, &h->asked);
	h->born = h->asked.seq;
	err = nfsc_get_dir_delegation(
		p->client, dir, &h->want, granted, h, &answer);
	pthread_mutex_lock(&p->lock);
	is_granted = h->state != HOLD_ASKING;
	if (!is_granted)
		list_del(&h->link);
	pthread_mutex_unlock(&p->lock);
	if (is_granted)
		take_up(h);
	else
		refused(h, err);
}

void hold_ask_top(struct peer *p, int top)
{
	struct world *w = p->world;
	int via = w->options.overlap ? (int)prop_below(p, EXPORTS) : p->via;

	hold_ask(p, top, via, &w->tops[via][top], &w->terms[p->index][top]);
}
