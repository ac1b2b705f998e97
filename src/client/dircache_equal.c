/* SPDX-License-Identifier: MIT */
/*
 * Is a model what a listing says? Used as the oracle of tests, so the first
 * difference is told in a way that helps.
 */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dircache_priv.h"
#include "proto/nfs4.h"

struct compare {
	const struct dircache_compare *how;
	char *why;
	size_t size;
};

#define NAME(n) (int)(n).len, (n).data

static bool compare_cookie(const struct compare *c,
	const struct dircache_entry *model, const struct dircache_entry *listed)
{
	if (!c->how->cookies || model->cookie == COOKIE_NONE ||
		listed->cookie == COOKIE_NONE ||
		model->cookie == listed->cookie)
		return true;
	snprintf(c->why, c->size,
		"\"%.*s\": cookie %" PRIu64 " in the model, %" PRIu64
		" in the listing",
		NAME(model->name), model->cookie, listed->cookie);
	return false;
}

static bool compare_known(const struct compare *c,
	const struct dircache_entry *model, const struct dircache_entry *listed)
{
	bitmap4 missing = bitmap4_and(&listed->mask, &c->how->attrs);

	missing = bitmap4_minus(&missing, &model->mask);
	if (!c->how->demand || bitmap4_empty(&missing))
		return true;
	snprintf(c->why, c->size,
		"\"%.*s\": attribute %u is not known in the model",
		NAME(model->name), bitmap4_next(&missing, 0));
	return false;
}

static bool compare_handle(const struct compare *c,
	const struct dircache_entry *model, const struct dircache_entry *listed,
	const bitmap4 *both)
{
	if (!bitmap4_has(both, FATTR4_FILEHANDLE) ||
		xdr_opaque_equal(&model->handle, &listed->handle))
		return true;
	snprintf(c->why, c->size, "\"%.*s\": the filehandles differ",
		NAME(model->name));
	return false;
}

static bool compare_attrs(const struct compare *c,
	const struct dircache_entry *model, const struct dircache_entry *listed)
{
	bitmap4 both = bitmap4_and(&model->mask, &listed->mask);
	char a[48], b[48];
	unsigned bit;

	both = bitmap4_and(&both, &c->how->attrs);
	bit = dirattr_first_difference(&model->attr, &listed->attr, &both);
	if (bit >= BITMAP4_BITS)
		return compare_handle(c, model, listed, &both);
	dirattr_show(&model->attr, bit, a, sizeof(a));
	dirattr_show(&listed->attr, bit, b, sizeof(b));
	snprintf(c->why, c->size,
		"\"%.*s\": attribute %u is %s in the model, %s in the listing",
		NAME(model->name), bit, a, b);
	return false;
}

static bool compare_names(const struct compare *c, const struct dircache *model,
	const struct dircache *listing)
{
	const struct dircache_node *node;

	list_for_each_entry(node, &model->order, in_order) {
		if (dircache_node_find(listing, dircache_node_name(node)))
			continue;
		snprintf(c->why, c->size,
			"\"%.*s\" is in the model, but not in the listing",
			NAME(dircache_node_name(node)));
		return false;
	}
	list_for_each_entry(node, &listing->order, in_order) {
		if (dircache_node_find(model, dircache_node_name(node)))
			continue;
		snprintf(c->why, c->size,
			"\"%.*s\" is in the listing, but not in the model",
			NAME(dircache_node_name(node)));
		return false;
	}
	return true;
}

static bool compare_order(const struct compare *c, const struct dircache *model,
	const struct dircache *listing)
{
	const struct list *b = listing->order.next;
	const struct dircache_node *node, *other;

	if (!c->how->order || model->order_lost)
		return true;
	list_for_each_entry(node, &model->order, in_order) {
		other = list_entry(b, const struct dircache_node, in_order);
		if (!name_equal(dircache_node_name(node),
			    dircache_node_name(other))) {
			snprintf(c->why, c->size,
				"the model goes on with \"%.*s\", the listing "
				"with \"%.*s\"",
				NAME(dircache_node_name(node)),
				NAME(dircache_node_name(other)));
			return false;
		}
		b = b->next;
	}
	return true;
}

static bool compare_entries(const struct compare *c,
	const struct dircache *model, const struct dircache *listing)
{
	const struct dircache_node *node;

	list_for_each_entry(node, &model->order, in_order) {
		struct dircache_entry known = dircache_node_entry(model, node);
		struct dircache_entry listed;

		if (!dircache_find(listing, known.name, &listed))
			return false; /* compare_names() looked */
		if (!compare_cookie(c, &known, &listed) ||
			!compare_known(c, &known, &listed) ||
			!compare_attrs(c, &known, &listed))
			return false;
	}
	return true;
}

bool dircache_equal(const struct dircache *model,
	const struct dircache *listing, const struct dircache_compare *how,
	char *why, size_t size)
{
	struct compare c = {.how = how, .why = why, .size = size};

	if (size)
		*why = '\0';
	return compare_names(&c, model, listing) &&
		compare_entries(&c, model, listing) &&
		compare_order(&c, model, listing);
}
