/* SPDX-License-Identifier: MIT */
/*
 * Filling the index of a directory: a pass over it outside all locks, while
 * our own changes are logged and applied when the result is published. Who
 * else wants the directory meanwhile uses the old tree or waits.
 *
 * A directory that does not fit in the budget is served through windows: a
 * pass keeps the lowest places from some place on, as many as fit. Its
 * verifier needs the ranks of all windows, so they are all walked once, and
 * again when a later pass sees another set of names.
 */
#include "store/dirindex_impl.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

/* Memory of a window, as a part of the budget; and how often to charge. */
#define WINDOW_PART 4
#define CHARGE_STEP (64 * 1024)
#define TICKS_YOUNG 2

struct dirindex_logged {
	struct dirindex_logged *next;
	bool add;
	struct name name; /* in `bytes` */
	char bytes[];
};

/* One pass over the directory. */
struct pass {
	struct dirindex *x;
	struct dirtree *tree;
	size_t charged;
	size_t limit; /* of the tree's memory */
};

void dirfill_log(struct dirindex_dir *d, bool add, struct name name)
{
	struct dirindex_logged *l;

	if (!d->fill)
		return;
	l = malloc(sizeof(*l) + name.len);
	if (!l) {
		d->fill->spoiled = -ENOMEM;
		return;
	}
	memcpy(l->bytes, name.data, name.len);
	*l = (struct dirindex_logged){
		.add = add, .name = {.len = name.len, .data = l->bytes}};
	*d->fill->log_end = l;
	d->fill->log_end = &l->next;
}

static void log_free(struct dirindex_fill *f)
{
	struct dirindex_logged *l;

	while ((l = f->log)) {
		f->log = l->next;
		free(l);
	}
}

uint64_t dirfill_verifier(
	const struct dirindex *x, const struct dirindex_dir *d)
{
	uint64_t marks =
		dirtree_whole(d->tree) ? d->tree->moved : d->rank_marks;

	return dirhash_verifier(&x->keys, marks);
}

int dirfill_apply(struct dirindex_dir *d, bool add, struct name name)
{
	struct dirtree *t = d->tree;
	uint64_t place = dirhash_name(t->keys, name).place;
	uint64_t moved = t->moved, sum = t->sum;
	int done;

	if (!dirtree_covers(t, place))
		return 0; /* the next pass sees another sum of names */
	done = add ? dirtree_insert(t, name) : dirtree_remove(t, name);
	d->rank_marks += t->moved - moved;
	d->name_marks += t->sum - sum;
	return done;
}

static size_t window_limit(const struct dirindex *x)
{
	return x->budget / WINDOW_PART;
}

/* The tree has outgrown its limit: keep the lowest places only. */
static int pass_overflow(struct pass *p)
{
	p->limit = window_limit(p->x);
	return dirtree_shrink(p->tree, p->limit);
}

static int pass_add(void *fill, struct name name)
{
	struct pass *p = fill;
	int err;

	if (name.len == 0 || name.len > NAME_LEN_MAX)
		return 0; /* nobody could ask for it */
	err = dirtree_insert(p->tree, name);
	if (err >= 0 && p->tree->bytes > p->limit)
		err = pass_overflow(p);
	if (err < 0)
		return err;
	if (p->tree->bytes > p->charged + CHARGE_STEP) {
		dirindex_cache_charge(p->x, &p->charged, p->tree->bytes);
		dirindex_cache_evict(p->x);
	}
	return 0;
}

static void pass_end(struct pass *p)
{
	dirindex_cache_charge(p->x, &p->charged, 0);
	dirtree_free(p->tree);
	p->tree = NULL;
}

/* Read the directory once, keeping places from @place on (@big) or all. */
static int pass_run(struct pass *p, struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, uint64_t place, bool big)
{
	int err;

	*p = (struct pass){
		.x = x,
		.tree = dirtree_new(&x->keys, big ? place : 0),
		.limit = big ? window_limit(x) : x->budget,
	};
	if (!p->tree)
		return -ENOMEM;
	dirindex_cache_count(x, &x->fills);
	err = source->scan(source->store, &d->id, pass_add, p);
	if (err < 0) {
		pass_end(p);
		return err;
	}
	dirindex_cache_charge(x, &p->charged, p->tree->bytes);
	return 0;
}

/* What all windows together know; see struct dirindex_dir. */
struct walk {
	uint64_t rank_marks;
	uint64_t name_marks;
	bool known; /* every pass saw the same set of names */
};

/*
 * Walk all windows of a big directory and leave in @keep the one that has
 * @place, exactly as it was walked: so a verifier made of these marks stands
 * for the cookies that are listed from that window.
 */
static int walk_windows(struct walk *w, struct pass *keep, struct dirindex *x,
	struct dirindex_dir *d, const struct dirindex_source *source,
	uint64_t place)
{
	uint64_t begin = 0;

	*w = (struct walk){.known = true};
	while (begin < DIRHASH_END) {
		struct pass p;
		int err = pass_run(&p, x, d, source, begin, true);

		if (err)
			return err;
		if (begin > 0 && p.tree->sum != w->name_marks)
			w->known = false;
		w->name_marks = p.tree->sum;
		w->rank_marks += p.tree->moved;
		begin = p.tree->end;
		if (dirtree_covers(p.tree, place)) {
			pass_end(keep);
			*keep = p;
		} else {
			pass_end(&p);
		}
	}
	return 0;
}

/* What a fill found out, besides the tree in its pass. */
struct filled {
	struct pass pass;
	struct walk walk;
	bool young;
	int64_t ctime_ns;
};

/* What a fill has to know of its directory, copied while it was locked. */
struct filling {
	uint64_t place;
	struct walk walk;
	bool big;
};

static bool time_is_young(struct dirindex *x, int64_t ctime_ns, int64_t now_ns)
{
	int64_t ticks = TICKS_YOUNG * clock_file_tick_ns(x->clock);

	return ctime_ns > now_ns - ticks;
}

/* Does the window need a walk: is its set of names not the one we know? */
static bool walk_is_due(const struct filled *f)
{
	return !dirtree_whole(f->pass.tree) &&
		!(f->walk.known && f->pass.tree->sum == f->walk.name_marks);
}

/* The part of a fill that runs under no lock. */
static int fill_read(struct filled *f, struct dirindex *x,
	struct dirindex_dir *d, const struct dirindex_source *source,
	const struct filling *in)
{
	int64_t now_ns = clock_file_ns(x->clock);
	int err = source->ctime(source->store, &d->id, &f->ctime_ns);

	if (err)
		return err;
	f->young = time_is_young(x, f->ctime_ns, now_ns);
	f->walk = in->walk;
	err = pass_run(&f->pass, x, d, source, in->place, in->big);
	if (err)
		return err;
	if (walk_is_due(f))
		err = walk_windows(&f->walk, &f->pass, x, d, source, in->place);
	if (err)
		pass_end(&f->pass);
	return err;
}

/* Apply what we changed meanwhile; d->lock is held, d->tree is the new one. */
static int replay_log(struct dirindex_dir *d, const struct dirindex_fill *fill)
{
	for (const struct dirindex_logged *l = fill->log; l; l = l->next) {
		int err = dirfill_apply(d, l->add, l->name);

		if (err < 0)
			return err;
	}
	return 0;
}

static int publish(struct dirindex *x, struct dirindex_dir *d, struct filled *f,
	const struct dirindex_fill *fill)
{
	int err = fill->spoiled;

	if (err) {
		pass_end(&f->pass);
		return err;
	}
	d->big = !dirtree_whole(f->pass.tree);
	d->marks_known = f->walk.known;
	d->rank_marks = f->walk.rank_marks;
	d->name_marks = f->walk.name_marks;
	d->young = f->young;
	d->ctime_ns = f->ctime_ns;
	d->tree_fill = d->fills_begun;
	dirindex_cache_set_tree(x, d, f->pass.tree, f->pass.charged);
	err = replay_log(d, fill);
	if (err)
		dirindex_cache_set_tree(x, d, NULL, 0);
	dirindex_cache_recharge(x, d);
	return err;
}

static int fill_run(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, uint64_t place)
{
	struct dirindex_fill fill = {.log_end = &fill.log};
	struct filling in = {
		.place = place,
		.big = d->big,
		.walk = {d->rank_marks, d->name_marks, d->marks_known},
	};
	struct filled f = {0};
	int err;

	d->fill = &fill;
	d->fills_begun++;
	lock_release(&d->lock);
	err = fill_read(&f, x, d, source, &in);
	lock_acquire(&d->lock);
	d->fill = NULL;
	cond_broadcast(&d->filled);
	if (!err)
		err = publish(x, d, &f, &fill);
	log_free(&fill);
	return err;
}

static bool tree_trusted(const struct dirindex_dir *d, int64_t ctime_ns)
{
	return !d->young && d->ctime_ns == ctime_ns;
}

/* What a listing wants, and what it knew when it came. */
struct wanted {
	uint64_t place;
	bool fresh;
	uint64_t fills_begun;
	int64_t ctime_ns;
};

static bool tree_serves(const struct dirindex_dir *d, const struct wanted *w)
{
	if (!d->tree || !dirtree_covers(d->tree, w->place))
		return false;
	return !w->fresh || d->tree_fill > w->fills_begun ||
		tree_trusted(d, w->ctime_ns);
}

static int ensure(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, const struct wanted *w)
{
	while (!tree_serves(d, w)) {
		int err = 0;

		if (d->fill)
			cond_wait(&d->filled, &d->lock);
		else
			err = fill_run(x, d, source, w->place);
		if (err)
			return err;
	}
	return 0;
}

int dirfill_ensure(struct dirindex *x, struct dirindex_dir *d,
	const struct dirindex_source *source, uint64_t place, bool fresh)
{
	struct wanted w = {.place = place, .fresh = fresh};
	uint64_t begun = d->fills_begun;
	int err;

	lock_assert_held(&d->lock);
	w.fills_begun = d->fills_begun;
	if (fresh) {
		lock_release(&d->lock);
		err = source->ctime(source->store, &d->id, &w.ctime_ns);
		lock_acquire(&d->lock);
		if (err)
			return err;
	}
	err = ensure(x, d, source, &w);
	if (!err && d->fills_begun == begun)
		dirindex_cache_count(x, &x->hits);
	return err;
}
