/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <errno.h>
#include <string.h>

/* One operation: where, and what became of it. */
struct op {
	struct peer *p;
	struct nfsc *c;
	struct nfsc_fh dir, other;
	struct name name, new_name;
};

/* Errors that mean the server is not well, whatever was asked. */
static bool is_bad(const struct peer *p, int err)
{
	if (err < 0)
		return true;
	if (err == NFS4ERR_IO || err == NFS4ERR_SERVERFAULT ||
		err == NFS4ERR_DELAY)
		return !p->world->weather.store_fails;
	return err == NFS4ERR_BADXDR || err == NFS4ERR_RESOURCE ||
		err == NFS4ERR_BADHANDLE || err == NFS4ERR_BAD_STATEID ||
		err == NFS4ERR_OP_ILLEGAL || err == NFS4ERR_NOTSUPP;
}

static bool note(const struct op *op, const char *what, int err)
{
	struct world *w = op->p->world;

	if (err && is_bad(op->p, err))
		prop_fail(w, "%s of client %d: %d", what, op->p->index, err);
	if (err)
		w->ops_failed++;
	return err == 0;
}

static bool has_moved(const change_info4 *info)
{
	return info->before != info->after;
}

/* ---- where ---- */

/* Where less is promised, less is done. */
static int random_top(struct peer *p)
{
	uint64_t dice = prop_below(p, 20);

	if (dice == 0)
		return TOP_RECALL;
	return dice < 3 ? TOP_PARTIAL : (int)prop_below(p, TOP_PARTIAL);
}

static struct name random_name(struct peer *p)
{
	const struct world *w = p->world;
	bool rare = prop_below(p, 300) == 0;

	if (w->options.narrow)
		return prop_name(w,
			rare ? NAMES - 1 - (int)prop_below(p, RARE)
			     : (int)prop_below(p, NAMES - RARE));
	return prop_name(w, (int)prop_below(p, NAMES));
}

/* What is there by a random name; false if nothing. */
static bool find_child(
	struct peer *p, struct nfsc_fh *ret, enum object_type *type)
{
	struct name name = random_name(p);
	bitmap4 want = {.beyond = false};
	struct fattr4_values values;
	size_t done;

	if (nfsc_lookup(p->client, &p->world->tops[p->via][random_top(p)],
		    &name, 1, ret, &done))
		return false;
	bitmap4_set(&want, FATTR4_TYPE);
	if (nfsc_getattr(p->client, ret, &want, &values))
		return false;
	*type = values.attr.type;
	return true;
}

/* Mostly one of the tops, sometimes a directory in one. */
static void random_dir(struct peer *p, struct nfsc_fh *ret)
{
	enum object_type type;

	if (prop_below(p, 12) == 0 && find_child(p, ret, &type) &&
		type == OBJECT_DIR)
		return;
	*ret = p->world->tops[p->via][random_top(p)];
}

/* ---- what ---- */

static void open_and_close(struct op *op, const struct nfsc_open *how)
{
	struct nfsc_opened opened;

	if (!note(op, "OPEN",
		    nfsc_open(op->c, &op->dir, op->name, how, &opened)))
		return;
	op->p->changes += has_moved(&opened.info);
	note(op, "CLOSE", nfsc_close(op->c, &opened.fh, &opened.stateid));
}

static void create(struct op *op)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0666};
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_WRITE |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.create = true,
		.mode = prop_below(op->p, 4) ? GUARDED4 : UNCHECKED4,
		.set = &set,
	};

	open_and_close(op, &how);
}

static void make_dir(struct op *op)
{
	struct setattr set = {.mask = SETATTR_MODE, .mode = 0777};
	struct nfsc_fh made;

	op->p->changes += note(op, "CREATE",
		nfsc_mkdir(op->c, &op->dir, op->name, &set, &made, NULL));
}

static void make_symlink(struct op *op)
{
	struct nfsc_fh made;

	op->p->changes += note(op, "CREATE",
		nfsc_symlink(
			op->c, &op->dir, op->name, "somewhere", &made, NULL));
}

static void link_it(struct op *op)
{
	enum object_type type;
	struct nfsc_fh file;

	if (find_child(op->p, &file, &type))
		op->p->changes += note(op, "LINK",
			nfsc_link(op->c, &file, &op->dir, op->name, NULL));
}

static void remove_it(struct op *op)
{
	op->p->changes += note(
		op, "REMOVE", nfsc_remove(op->c, &op->dir, op->name, NULL));
}

static void rename_it(struct op *op, const struct nfsc_fh *to)
{
	change_info4 source, target;
	bool across = !nfsc_fh_equal(&op->dir, to);

	if (!note(op, "RENAME",
		    nfsc_rename(op->c, &op->dir, op->name, to, op->new_name,
			    &source, &target)))
		return;
	op->p->changes += has_moved(&source);
	op->p->changes += across && has_moved(&target);
}

static void set_child(struct op *op)
{
	struct setattr set = {.mask = SETATTR_MTIME_NOW};
	enum object_type type;
	struct nfsc_fh child;

	if (!find_child(op->p, &child, &type))
		return;
	if (prop_below(op->p, 2))
		set = (struct setattr){.mask = SETATTR_MODE,
			.mode = type == OBJECT_DIR ? 0777 : 0666};
	else if (type == OBJECT_FILE && prop_below(op->p, 2))
		set = (struct setattr){
			.mask = SETATTR_SIZE, .size = prop_below(op->p, 100)};
	note(op, "SETATTR", nfsc_setattr(op->c, &child, NULL, &set));
}

/* Mostly where the holders want to hear of it. */
static void set_top(struct op *op)
{
	static const uint32_t modes[] = {0777, 0757, 0737, 0717, 0707, 0700};
	struct peer *p = op->p;
	struct setattr set = {.mask = SETATTR_MTIME_NOW};
	int top = prop_below(p, 40) ? TOP_SETATTR : random_top(p);

	if (prop_below(p, 8) == 0)
		set.mask = SETATTR_ATIME_NOW;
	else if (prop_below(p, 2))
		set = (struct setattr){.mask = SETATTR_MODE,
			.mode = modes[prop_below(
				p, sizeof(modes) / sizeof(modes[0]))]};
	note(op, "SETATTR",
		nfsc_setattr(op->c, &p->world->tops[p->via][top], NULL, &set));
}

/* ---- files ---- */

static void write_to(struct op *op, const struct nfsc_opened *opened)
{
	uint32_t count;

	note(op, "WRITE",
		nfsc_write(op->c, &opened->fh, &opened->stateid,
			prop_below(op->p, 5000), "herald", 6, UNSTABLE4,
			&count));
}

static void close_it(struct op *op)
{
	struct nfsc_opened *w = &op->p->writing;

	note(op, "CLOSE", nfsc_close(op->c, &w->fh, &w->stateid));
	op->p->is_writing = false;
}

/*
 * A file that is written to for a while, whatever its names become; by an owner
 * of its own, so that nothing else closes it.
 */
static void keep_writing(struct op *op)
{
	write_to(op, &op->p->writing);
	if (prop_below(op->p, 4) == 0)
		close_it(op);
}

static void write_it(struct op *op)
{
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_WRITE |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.owner = "writer",
	};
	struct peer *p = op->p;
	enum object_type type;
	struct nfsc_fh file;

	if (p->is_writing) {
		keep_writing(op);
		return;
	}
	if (!find_child(p, &file, &type) || type != OBJECT_FILE)
		return;
	p->is_writing =
		note(op, "OPEN", nfsc_open_fh(op->c, &file, &how, &p->writing));
	if (!p->is_writing)
		return;
	p->writing.fh = file;
	write_to(op, &p->writing);
	if (prop_below(p, 4))
		close_it(op);
}

/* Truncation by OPEN. */
static void open_it_anew(struct op *op)
{
	struct setattr set = {.mask = SETATTR_SIZE, .size = 0};
	struct nfsc_open how = {
		.access = OPEN4_SHARE_ACCESS_WRITE |
			OPEN4_SHARE_ACCESS_WANT_NO_DELEG,
		.create = true,
		.mode = UNCHECKED4,
		.set = &set,
	};

	open_and_close(op, &how);
}

static int ignore_entry(void *ctx, const struct dircache_entry *entry)
{
	return 0;
}

static void list_it(struct op *op)
{
	bitmap4 attrs = fattr4_child_notifiable();
	struct nfsc_page page = {.cookie = 0};
	int err = nfsc_readdir(
		op->c, &op->dir, &attrs, &page, ignore_entry, NULL);

	note(op, "READDIR", err);
}

static void run(struct op *op)
{
	uint64_t dice = prop_below(op->p, 100);

	if (dice < 19)
		create(op);
	else if (dice < 25)
		make_dir(op);
	else if (dice < 29)
		make_symlink(op);
	else if (dice < 37)
		link_it(op);
	else if (dice < 54)
		remove_it(op);
	else if (dice < 70)
		rename_it(op, &op->dir);
	else if (dice < 78)
		rename_it(op, &op->other);
	else if (dice < 83)
		set_child(op);
	else if (dice < 85)
		set_top(op);
	else if (dice < 93)
		write_it(op);
	else if (dice < 96)
		open_it_anew(op);
	else
		list_it(op);
}

/* ---- delegations come and go all the time ---- */

static void ask_sometimes(struct peer *p)
{
	enum object_type type;
	struct terms terms;
	struct nfsc_fh dir;

	if (prop_below(p, 15) == 0)
		hold_ask_top(p, random_top(p));
	if (prop_below(p, 50) == 0 && find_child(p, &dir, &type) &&
		type == OBJECT_DIR) {
		terms = terms_random(&p->rand);
		hold_ask(p, -1, p->via, &dir, &terms);
	}
	if (prop_below(p, 150) == 0 || atomic_exchange(&p->give_some, false))
		hold_return_some(p);
}

void ops_random(struct peer *p)
{
	struct op op = {.p = p, .c = p->client};
	bool watched;

	ask_sometimes(p);
	random_dir(p, &op.dir);
	random_dir(p, &op.other);
	op.name = random_name(p);
	op.new_name = random_name(p);
	watched = hold_is_watched(p, &op.dir);
	p->world->ops_watched += watched;
	if (weather_lets_hold(p->world)) {
		p->world->fair_ops++;
		p->world->fair_ops_watched += watched;
	}
	run(&op);
	p->done = spy_seq();
	p->world->ops++;
}

void ops_finish(struct peer *p)
{
	struct op op = {.p = p, .c = p->client};

	if (p->is_writing)
		close_it(&op);
}
