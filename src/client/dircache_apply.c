/* SPDX-License-Identifier: MIT */
/*
 * Notifications applied to the model; dircache.h says why the checks are
 * lenient until it is settled.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dircache_priv.h"

static const struct name no_name;

static const char no_words[] = "something is not as it was told";

/* The first contradiction is the one worth reading. */
__attribute__((format(printf, 2, 3))) static int contradict(
	struct dircache *m, const char *format, ...)
{
	char *words = NULL;
	va_list args;

	if (m->contradiction)
		return -EILSEQ;
	va_start(args, format);
	if (vasprintf(&words, format, args) < 0)
		words = NULL;
	va_end(args);
	m->contradiction = words ? words : no_words;
	return -EILSEQ;
}

void dircache_forgive(struct dircache *m)
{
	if (m->contradiction != no_words)
		free((void *)(uintptr_t)m->contradiction);
	m->contradiction = NULL;
}

#define NAME(n) (int)(n).len, (n).data

/* Does the cookie told with @entry agree with what we know? */
static int check_cookie(struct dircache *m, const struct dircache_node *node,
	const struct dircache_entry *entry, const char *what)
{
	if (!m->settled || entry->cookie == COOKIE_NONE ||
		node->cookie == COOKIE_NONE || node->cookie == entry->cookie)
		return 0;
	return contradict(m,
		"%s of \"%.*s\": cookie %" PRIu64 ", but it was %" PRIu64, what,
		NAME(entry->name), entry->cookie, node->cookie);
}

/* ---- echoes of a rename ---- */

static void expect_echo(struct dircache_echo *echo, struct name name)
{
	echo->may = name.len > 0 && name.len <= sizeof(echo->bytes);
	if (!echo->may)
		return;
	echo->len = name.len;
	memcpy(echo->bytes, name.data, name.len);
}

/* Is @name what is expected to come once more? */
static bool take_echo(struct dircache_echo *echo, struct name name)
{
	if (!echo->may ||
		!name_equal(name, (struct name){echo->len, echo->bytes}))
		return false;
	echo->may = false;
	return true;
}

static bool is_echo(struct dircache *m, const struct dircache_change *change,
	const struct dircache_node *node)
{
	struct dircache_entry known;

	if (change->kind == CHANGE_REMOVE_ENTRY)
		return !node && take_echo(&m->echo_old, change->entry.name);
	if (change->kind != CHANGE_ADD_ENTRY || !node)
		return false;
	known = dircache_node_entry(m, node);
	return dircache_same_object(&known, &change->entry) &&
		take_echo(&m->echo_new, change->entry.name);
}

/* What else happens ends the chance of an echo. */
static bool skip_echo(struct dircache *m, const struct dircache_change *change)
{
	const struct dircache_node *node;

	if (!m->echo_old.may && !m->echo_new.may)
		return false;
	node = dircache_node_find(m, change->entry.name);
	if (is_echo(m, change, node))
		return true;
	if (change->kind != CHANGE_DIR_ATTRS &&
		change->kind != CHANGE_CHILD_ATTRS)
		m->echo_old.may = m->echo_new.may = false;
	return false;
}

/* ---- position ---- */

/* Put @node behind the entry it was told to be behind. */
static int place(struct dircache *m, struct dircache_node *node,
	const struct dircache_change *change)
{
	struct dircache_node *previous = NULL;

	if (!m->config.ordered || m->order_lost)
		return 0;
	if (change->has_previous) {
		previous = dircache_node_find(m, change->previous);
		if (!previous || previous == node) {
			m->order_lost = true;
			return !m->settled
				? 0
				: contradict(m,
					  "\"%.*s\" is said to be "
					  "behind \"%.*s\", which "
					  "is not there",
					  NAME(dircache_node_name(node)),
					  NAME(change->previous));
		}
	}
	list_del(&node->in_order);
	list_insert_after(
		previous ? &previous->in_order : &m->order, &node->in_order);
	if (!m->settled || change->last == (node->in_order.next == &m->order))
		return 0;
	m->order_lost = true;
	return contradict(m, "\"%.*s\" is%s said to be the last entry",
		NAME(dircache_node_name(node)), change->last ? "" : " not");
}

/* ---- adding ---- */

/*
 * A name that is known already is told as new. The listing may have had it
 * before its notification came; then what the listing said is newer.
 */
static int add_known(struct dircache *m, struct dircache_node *node,
	const struct dircache_change *change)
{
	struct dircache_node *now;
	int err = 0;

	if (!m->settled && node->listed && !change->has_overwritten) {
		node->listed = false;
		return place(m, node, change);
	}
	if (!change->has_overwritten)
		err = contradict(m, "\"%.*s\" was added, but was there already",
			NAME(change->entry.name));
	now = dircache_node_new(m, &change->entry);
	if (!now)
		return -ENOMEM;
	dircache_node_unlink(m, node);
	dircache_node_link(m, now);
	dircache_say(m, DIRCACHE_CREATE, now, no_name, node);
	dircache_node_free(m, node);
	return err ? err : place(m, now, change);
}

static int apply_add(struct dircache *m, const struct dircache_change *change)
{
	struct dircache_node *node = dircache_node_find(m, change->entry.name);
	int err = 0;

	if (node)
		return add_known(m, node, change);
	if (change->has_overwritten && m->settled)
		err = contradict(m, "\"%.*s\" was overwritten, but not there",
			NAME(change->entry.name));
	node = dircache_node_new(m, &change->entry);
	if (!node)
		return -ENOMEM;
	dircache_node_link(m, node);
	dircache_say(m, DIRCACHE_CREATE, node, no_name, NULL);
	return err ? err : place(m, node, change);
}

/* ---- removing ---- */

static int apply_remove(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_node *node = dircache_node_find(m, change->entry.name);
	int err;

	if (!node)
		return !m->settled ? 0
				   : contradict(m,
					     "\"%.*s\" was removed, but was "
					     "not there",
					     NAME(change->entry.name));
	err = check_cookie(m, node, &change->entry, "removal");
	dircache_node_unlink(m, node);
	dircache_say(m, DIRCACHE_DELETE, node, no_name, NULL);
	dircache_node_free(m, node);
	return err;
}

/* ---- renaming ---- */

/*
 * The entry under its new name: what was known of it, then what is told. Its
 * cookie is a new one. What a listing said of the old name may be of another
 * object, made there after the renaming; what it said of a new name that was
 * free before is not older than this.
 */
static struct dircache_node *renamed(struct dircache *m,
	const struct dircache_node *old, const struct dircache_node *target,
	const struct dircache_change *change)
{
	bool listed_since = !m->settled && target && target->listed &&
		!change->has_overwritten;
	struct dircache_entry known =
		dircache_node_entry(m, listed_since ? target : old);
	struct dircache_node *node;

	if (!listed_since) {
		known.name = change->entry.name;
		known.cookie = COOKIE_NONE;
	}
	if (!listed_since && !m->settled && old->listed) {
		known.mask = (bitmap4){.beyond = false};
		known.handle = (struct xdr_opaque){.len = 0};
	}
	node = dircache_node_new(m, &known);
	if (node && !listed_since &&
		dircache_node_learn(m, node, &change->entry) < 0) {
		dircache_node_free(m, node);
		return NULL;
	}
	return node;
}

/* The old name is not known: perhaps it was listed under the new one. */
static int rename_unknown(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_change add = *change;
	int err = 0;

	if (m->settled)
		err = contradict(m,
			"\"%.*s\" was renamed to \"%.*s\", but was not there",
			NAME(change->old.name), NAME(change->entry.name));
	add.kind = CHANGE_ADD_ENTRY;
	if (!m->settled && !dircache_node_find(m, change->entry.name))
		add.has_overwritten = false;
	if (err == 0)
		return apply_add(m, &add);
	/* One contradiction is enough; the model is only a guess now. */
	apply_add(m, &add);
	return err;
}

/* Is it no surprise that @target is there already under the new name? */
static bool may_be_there(const struct dircache *m,
	const struct dircache_node *target,
	const struct dircache_change *change)
{
	return change->has_overwritten || (!m->settled && target->listed);
}

static bool is_one_object(const struct dircache *m,
	const struct dircache_node *a, const struct dircache_node *b)
{
	struct dircache_entry ea = dircache_node_entry(m, a);
	struct dircache_entry eb = dircache_node_entry(m, b);

	return dircache_same_object(&ea, &eb);
}

static int apply_rename(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_node *old = dircache_node_find(m, change->old.name);
	struct dircache_node *target =
		dircache_node_find(m, change->entry.name);
	struct dircache_node *node;
	int err;

	if (!old)
		return rename_unknown(m, change);
	if (old == target)
		return contradict(m, "\"%.*s\" was renamed to itself",
			NAME(change->old.name));
	err = check_cookie(m, old, &change->old, "renaming");
	if (target && !may_be_there(m, target, change))
		err = contradict(m,
			"\"%.*s\" was renamed to \"%.*s\", which was there",
			NAME(change->old.name), NAME(change->entry.name));
	if (!target && change->has_overwritten && m->settled)
		err = contradict(m, "\"%.*s\" was overwritten, but not there",
			NAME(change->entry.name));
	node = renamed(m, old, target, change);
	if (!node)
		return -ENOMEM;
	dircache_node_unlink(m, old);
	if (target)
		dircache_node_unlink(m, target);
	dircache_node_link(m, node);
	/* Listed under both names: it is one object and replaced nothing. */
	if (target && !change->has_overwritten &&
		is_one_object(m, old, target)) {
		dircache_node_free(m, target);
		target = NULL;
	}
	dircache_say(m, DIRCACHE_MOVE, node, dircache_node_name(old), target);
	dircache_node_free(m, old);
	if (target)
		dircache_node_free(m, target);
	return err ? err : place(m, node, change);
}

/* ---- attributes, the verifier ---- */

static int apply_child_attrs(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_node *node = dircache_node_find(m, change->entry.name);
	struct dircache_entry before;

	if (!node)
		return !m->settled
			? 0
			: contradict(m,
				  "attributes of \"%.*s\" changed, but it was "
				  "not there",
				  NAME(change->entry.name));
	before = dircache_node_entry(m, node);
	if (dircache_node_learn(m, node, &change->entry) < 0)
		return -ENOMEM;
	dircache_say_attrs(m, node, &before);
	return 0;
}

static int apply_dir_attrs(
	struct dircache *m, const struct dircache_change *change)
{
	dirattr_copy(&m->dir_attr, &change->entry.attr, &change->entry.mask);
	m->dir_mask = bitmap4_or(&m->dir_mask, &change->entry.mask);
	return 0;
}

/* Cookies and positions of the old verifier mean nothing any more. */
static int apply_verifier(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_node *node;
	int err = 0;

	if (m->settled && change->old_verifier != m->verifier)
		err = contradict(m, "the cookie verifier was another one");
	list_for_each_entry(node, &m->order, in_order)
		node->cookie = COOKIE_NONE;
	m->verifier = change->new_verifier;
	m->order_lost = true;
	return err;
}

int dircache_apply_now(struct dircache *m, const struct dircache_change *change)
{
	if (skip_echo(m, change))
		return 0;
	switch (change->kind) {
	case CHANGE_ADD_ENTRY:
		return apply_add(m, change);
	case CHANGE_REMOVE_ENTRY:
		return apply_remove(m, change);
	case CHANGE_RENAME_ENTRY:
		if (m->config.echoes) {
			expect_echo(&m->echo_old, change->old.name);
			expect_echo(&m->echo_new, change->entry.name);
		}
		return apply_rename(m, change);
	case CHANGE_CHILD_ATTRS:
		return apply_child_attrs(m, change);
	case CHANGE_DIR_ATTRS:
		return apply_dir_attrs(m, change);
	case CHANGE_COOKIE_VERIFIER:
		return apply_verifier(m, change);
	default:
		return -EINVAL;
	}
}
