/* SPDX-License-Identifier: MIT */
/*
 * Waiting until everything is told and done. Who was told of the last changes,
 * which are made here, was told of all before.
 */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

/* How long to wait for what must come. */
#define PATIENCE_S 120

/* ---- waiting ---- */

void probe_lose(struct hold *h)
{
	if (!recall_is_doomed(h))
		prop_fail(h->peer->world,
			"a held directory is gone, but nobody removed it");
	if (h->state == HOLD_LIVE) {
		h->state = HOLD_ENDED;
		h->lost = true;
	}
}

/* What a live holder must have been told by now. */
enum news { NEWS_NONE, NEWS_LOCAL_MADE, NEWS_LOCAL_UNMADE, NEWS_QUIET };

struct waiting {
	unsigned returns; /* recalled, not returned yet */
	unsigned revoked; /* ... nor ever will be */
	unsigned untold;  /* live, and not told of the news yet */
};

static bool is_untold(const struct hold *h, enum news news)
{
	if (h->state != HOLD_LIVE)
		return false;
	switch (news) {
	case NEWS_LOCAL_MADE:
		return h->local_probed && !h->local_made;
	case NEWS_LOCAL_UNMADE:
		return h->local_probed && !h->local_unmade;
	case NEWS_QUIET:
		return h->probed && !h->quiet_told;
	default:
		return false;
	}
}

/*
 * Its client was answered STALE before the recall could be sent, which ends it
 * on both sides.
 */
static bool has_ended(struct hold *h)
{
	struct deleg *d;

	if (prop_inode(h->peer->world, &h->dir))
		return false;
	d = recall_find(h);
	if (!d)
		return true;
	deleg_put(d);
	return false;
}

static void count_waiting(struct peer *p, enum news news, struct waiting *n)
{
	struct hold *h;

	pthread_mutex_lock(&p->lock);
	list_for_each_entry(h, &p->holds, link) {
		n->returns +=
			h->state == HOLD_RECALLED || h->state == HOLD_RETURNING;
		n->revoked += h->state == HOLD_NEGLECTED;
		if (is_untold(h, news) && has_ended(h))
			probe_lose(h);
		n->untold += is_untold(h, news);
	}
	pthread_mutex_unlock(&p->lock);
}

/*
 * A client whose back channel failed hears of it in an answer only. Now and
 * then, as one that has nothing else to do would.
 */
static void renew(struct peer *p, unsigned round)
{
	if (weather_is_rough(p) && round % 200 == 100)
		nfsc_renew(p->client, NULL);
}

static struct waiting look_around(
	struct world *w, enum news news, unsigned round)
{
	struct waiting all = {.returns = 0};

	for (int i = 0; i < PEERS; i++) {
		struct peer *p = &w->peers[i];
		struct waiting n = {.returns = 0};

		count_waiting(p, news, &n);
		renew(p, round);
		if (n.revoked || atomic_exchange(&p->revoked, false))
			hold_sweep(p);
		all.returns += n.returns;
		all.revoked += n.revoked;
		all.untold += n.untold;
	}
	return all;
}

static void show_waiting(struct world *w, enum news news)
{
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		list_for_each_entry(h, &w->peers[i].holds, link)
			fprintf(stderr,
				"client %d top %d inode %" PRIu64
				" types %x state %d%s%s\n",
				i, h->top, h->inode, h->deleg.types.word[0],
				h->state, is_untold(h, news) ? " untold" : "",
				prop_inode(w, &h->dir) ? "" : " gone");
	}
}

static void wait_for(struct world *w, enum news news)
{
	time_t end = time(NULL) + PATIENCE_S;
	struct waiting n;

	for (unsigned round = 0;; round++) {
		n = look_around(w, news, round);
		if (n.returns + n.revoked + n.untold == 0)
			return;
		if (time(NULL) > end)
			show_waiting(w, news);
		if (time(NULL) > end)
			prop_fail(w,
				"%u returns, %u revocations and %u "
				"notifications (%d) missing",
				n.returns, n.revoked, n.untold, news);
		usleep(500);
	}
}

void probe_wait(struct world *w)
{
	wait_for(w, NEWS_NONE);
}

/* ---- whom to tell ---- */

static bool is_told(struct hold *h)
{
	bool told;

	pthread_mutex_lock(&h->peer->lock);
	told = h->state == HOLD_LIVE && hold_is_probed(h);
	pthread_mutex_unlock(&h->peer->lock);
	return told;
}

/* @mark all holds of @dir that hear of what is done there. */
static void mark_all(
	struct world *w, const struct fileid *dir, void (*mark)(struct hold *h))
{
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		pthread_mutex_lock(&w->peers[i].lock);
		list_for_each_entry(h, &w->peers[i].holds, link) {
			if (hold_is_probed(h) && fileid_equal(&h->dir, dir))
				mark(h);
		}
		pthread_mutex_unlock(&w->peers[i].lock);
	}
}

/* ---- behind the server's back ---- */

static void mark_local(struct hold *h)
{
	h->local_probed = true;
}

static bool has_dir(const struct local_job *job, const struct fileid *dir)
{
	for (size_t i = 0; i < job->ndirs; i++) {
		if (fileid_equal(&job->dirs[i].id, dir))
			return true;
	}
	return false;
}

/* Only its own remover's goes without a word. */
static void note_gone(struct hold *h)
{
	pthread_mutex_lock(&h->peer->lock);
	if (spy_doomed(&h->dir))
		probe_lose(h);
	else
		h->local_probed = true; /* it will be recalled */
	pthread_mutex_unlock(&h->peer->lock);
}

static void add_dir(struct world *w, struct local_job *job, struct hold *h)
{
	if (!is_told(h) || has_dir(job, &h->dir))
		return;
	if (prop_inode(w, &h->dir) == 0) {
		note_gone(h);
	} else if (job->ndirs < LOCAL_DIRS) {
		job->dirs[job->ndirs++] =
			(struct local_dir_id){h->dir, h->inode};
		mark_all(w, &h->dir, mark_local);
	}
}

static void run_locally(enum local_task task)
{
	actor_job()->task = task;
	actor_begin();
	actor_end();
}

void probe_locally(struct world *w)
{
	struct local_job *job = actor_job();
	struct hold *h;

	job->ndirs = 0;
	for (int i = 0; i < PEERS; i++) {
		/* Only states change beside us: the list is ours. */
		list_for_each_entry(h, &w->peers[i].holds, link)
			add_dir(w, job, h);
	}
	run_locally(LOCAL_MAKE);
	wait_for(w, NEWS_LOCAL_MADE);
	run_locally(LOCAL_UNMAKE);
	wait_for(w, NEWS_LOCAL_UNMADE);
}

/* ---- through it ---- */

static void mark_probed(struct hold *h)
{
	h->probed = true;
}

static bool is_done(
	const struct fileid *done, size_t ndone, const struct fileid *dir)
{
	for (size_t i = 0; i < ndone; i++) {
		if (fileid_equal(&done[i], dir))
			return true;
	}
	return false;
}

static int probe(struct world *w, const struct nfsc_fh *dir)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};
	struct name name = prop_name(w, NAME_QUIET);
	struct nfsc_fh made;
	int err = nfsc_mkdir(w->referee, dir, name, &set, &made, NULL);

	if (err == NFS4ERR_STALE)
		return err;
	if (err == 0)
		err = nfsc_remove(w->referee, dir, name, NULL);
	if (err)
		prop_fail(w, "the quiet point's changes: %d", err);
	return 0;
}

void probe_all(struct world *w)
{
	struct fileid done[LOCAL_DIRS];
	size_t n = 0;
	struct hold *h;

	for (int i = 0; i < PEERS; i++) {
		list_for_each_entry(h, &w->peers[i].holds, link) {
			if (!is_told(h) || is_done(done, n, &h->dir))
				continue;
			if (probe(w, &h->fh) != 0) {
				pthread_mutex_lock(&h->peer->lock);
				probe_lose(h);
				pthread_mutex_unlock(&h->peer->lock);
			} else if (n < sizeof(done) / sizeof(done[0])) {
				mark_all(w, &h->dir, mark_probed);
				done[n++] = h->dir;
			}
		}
	}
	wait_for(w, NEWS_QUIET);
}
