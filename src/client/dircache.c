/* SPDX-License-Identifier: MIT */
#include "client/dircache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "client/dirattr.h"
#include "client/dircache_priv.h"
#include "proto/nfs4.h"

/* ---- entries ---- */

struct dircache_node *dircache_node_find(
	const struct dircache *m, struct name name)
{
	uint64_t hash = htab_hash(name.data, name.len);
	struct htab_link *link;

	htab_for_each_match(link, &m->by_name, hash) {
		struct dircache_node *node =
			container_of(link, struct dircache_node, by_name);

		if (name_equal(dircache_node_name(node), name))
			return node;
	}
	return NULL;
}

static uint8_t *packed_of(const struct dircache_node *node)
{
	return (uint8_t *)(uintptr_t)node->bytes + node->name_len;
}

struct dircache_entry dircache_node_entry(
	const struct dircache *m, const struct dircache_node *node)
{
	struct dircache_entry entry = {
		.name = dircache_node_name(node),
		.cookie = node->cookie,
		.handle = {node->handle_len, node->handle},
	};

	memcpy(entry.mask.word, node->mask, sizeof(node->mask));
	dirattr_unpack(&entry.attr, packed_of(node), &m->packed);
	entry.attr.type = (enum object_type)node->type;
	entry.attr.inode = node->inode;
	return entry;
}

/* ---- the budget ---- */

static bool take(struct dircache *m, size_t size)
{
	struct dircache_budget *b = m->config.budget;

	if (!b)
		return true;
	if (b->used > b->limit || size > b->limit - b->used)
		return false;
	b->used += size;
	return true;
}

static void put(struct dircache *m, size_t size)
{
	if (m->config.budget)
		m->config.budget->used -= size;
}

/* Without the handle. */
static size_t size_of(const struct dircache *m, size_t name_len)
{
	return sizeof(struct dircache_node) + name_len + m->packed_size;
}

/* ---- learning ---- */

static int learn_handle(struct dircache *m, struct dircache_node *node,
	struct xdr_opaque handle)
{
	struct xdr_opaque known = {node->handle_len, node->handle};
	uint8_t *copy;

	if (handle.len == 0 || handle.len > NFS4_FHSIZE ||
		xdr_opaque_equal(&known, &handle))
		return 0;
	if (!take(m, handle.len))
		return -ENOMEM;
	copy = malloc(handle.len);
	if (!copy) {
		put(m, handle.len);
		return -ENOMEM;
	}
	memcpy(copy, handle.data, handle.len);
	put(m, node->handle_len);
	free(node->handle);
	node->handle = copy;
	node->handle_len = (uint8_t)handle.len;
	return 0;
}

static void learn_attr(const struct dircache *m, struct dircache_node *node,
	const struct attr *attr, const bitmap4 *told)
{
	if (bitmap4_has(told, FATTR4_TYPE))
		node->type = (uint8_t)attr->type;
	if (bitmap4_has(told, FATTR4_FILEID))
		node->inode = attr->inode;
	dirattr_pack(packed_of(node), attr, &m->packed, told);
}

int dircache_node_learn(struct dircache *m, struct dircache_node *node,
	const struct dircache_entry *entry)
{
	bitmap4 told = bitmap4_and(&entry->mask, &m->keep);

	if (bitmap4_has(&told, FATTR4_FILEHANDLE) &&
		learn_handle(m, node, entry->handle) < 0)
		return -ENOMEM;
	learn_attr(m, node, &entry->attr, &told);
	for (int i = 0; i < BITMAP4_WORDS; i++)
		node->mask[i] |= told.word[i];
	if (entry->cookie != COOKIE_NONE)
		node->cookie = entry->cookie;
	return 0;
}

struct dircache_node *dircache_node_new(
	struct dircache *m, const struct dircache_entry *entry)
{
	size_t size = size_of(m, entry->name.len);
	struct dircache_node *node;

	if (entry->name.len > UINT16_MAX)
		return NULL; /* no name is that long: names are checked */
	if (!take(m, size))
		return NULL;
	node = calloc(1, size);
	if (!node) {
		put(m, size);
		return NULL;
	}
	list_init(&node->in_order);
	node->name_len = (uint16_t)entry->name.len;
	if (entry->name.len)
		memcpy(node->bytes, entry->name.data, entry->name.len);
	if (dircache_node_learn(m, node, entry) < 0) {
		dircache_node_free(m, node);
		return NULL;
	}
	return node;
}

void dircache_node_free(struct dircache *m, struct dircache_node *node)
{
	put(m, size_of(m, node->name_len) + node->handle_len);
	free(node->handle);
	free(node);
}

void dircache_node_link(struct dircache *m, struct dircache_node *node)
{
	htab_insert(&m->by_name, &node->by_name,
		htab_hash(node->bytes, node->name_len));
	list_add_tail(&m->order, &node->in_order);
	m->count++;
}

void dircache_node_unlink(struct dircache *m, struct dircache_node *node)
{
	htab_remove(&m->by_name, &node->by_name);
	list_del(&node->in_order);
	m->count--;
}

bool dircache_same_object(
	const struct dircache_entry *a, const struct dircache_entry *b)
{
	bitmap4 both = bitmap4_and(&a->mask, &b->mask);

	if (bitmap4_has(&both, FATTR4_FILEID) && a->attr.inode != b->attr.inode)
		return false;
	if (bitmap4_has(&both, FATTR4_TYPE) && a->attr.type != b->attr.type)
		return false;
	return !bitmap4_has(&both, FATTR4_FILEHANDLE) ||
		xdr_opaque_equal(&a->handle, &b->handle);
}

void dircache_say(struct dircache *m, enum dircache_event event,
	const struct dircache_node *node, struct name from,
	const struct dircache_node *replaced)
{
	struct dircache_entry entry, old;

	if (!m->config.tell || m->quiet)
		return;
	entry = dircache_node_entry(m, node);
	if (replaced)
		old = dircache_node_entry(m, replaced);
	m->config.tell(
		m->config.ctx, event, &entry, from, replaced ? &old : NULL);
}

void dircache_say_attrs(struct dircache *m, const struct dircache_node *node,
	struct dircache_entry *before)
{
	struct dircache_entry entry;

	if (!m->config.tell || m->quiet)
		return;
	entry = dircache_node_entry(m, node);
	before->handle = (struct xdr_opaque){0, NULL}; /* may be freed */
	bitmap4_clear(&before->mask, FATTR4_FILEHANDLE);
	m->config.tell(m->config.ctx, DIRCACHE_ATTRS, &entry,
		(struct name){0, NULL}, before);
}

/* ---- life ---- */

struct dircache *dircache_new(const struct dircache_config *config)
{
	struct dircache *m = calloc(1, sizeof(*m));
	bitmap4 known = dirattr_known();

	if (!m)
		return NULL;
	m->config = *config;
	m->keep = bitmap4_and(&config->keep, &known);
	m->packed = m->keep;
	bitmap4_clear(&m->packed, FATTR4_TYPE);
	bitmap4_clear(&m->packed, FATTR4_FILEID);
	m->packed_size = dirattr_packed_size(&m->packed);
	bitmap4_set(&m->keep, FATTR4_TYPE);
	bitmap4_set(&m->keep, FATTR4_FILEID);
	bitmap4_set(&m->keep, FATTR4_FILEHANDLE);
	list_init(&m->order);
	list_init(&m->waiting);
	if (htab_init(&m->by_name, 16) < 0) {
		free(m);
		return NULL;
	}
	return m;
}

static void forget_waiting(struct dircache *m)
{
	struct dircache_waiting *w, *tmp;

	list_for_each_entry_safe(w, tmp, &m->waiting, link) {
		list_del(&w->link);
		free(w);
	}
}

void dircache_free(struct dircache *m)
{
	struct dircache_node *node, *tmp;

	if (!m)
		return;
	forget_waiting(m);
	dircache_forgive(m);
	list_for_each_entry_safe(node, tmp, &m->order, in_order) {
		dircache_node_unlink(m, node);
		dircache_node_free(m, node);
	}
	htab_fini(&m->by_name);
	free(m);
}

/* ---- filling ---- */

void dircache_fill_begin(struct dircache *m)
{
	m->filling = true;
	m->settled = false;
	m->order_lost = false;
	m->listed_again = 0;
	dircache_forgive(m);
	m->fill++;
}

/* @node is listed under its name, as another object than before. */
static int relist(struct dircache *m, struct dircache_node **node,
	const struct dircache_entry *entry)
{
	struct dircache_node *old = *node;

	*node = dircache_node_new(m, entry);
	if (!*node)
		return -ENOMEM;
	dircache_node_unlink(m, old);
	dircache_say(m, DIRCACHE_DELETE, old, (struct name){0, NULL}, NULL);
	dircache_node_free(m, old);
	dircache_node_link(m, *node);
	dircache_say(m, DIRCACHE_CREATE, *node, (struct name){0, NULL}, NULL);
	return 0;
}

static int list_new(struct dircache *m, struct dircache_node **node,
	const struct dircache_entry *entry)
{
	*node = dircache_node_new(m, entry);
	if (!*node)
		return -ENOMEM;
	dircache_node_link(m, *node);
	dircache_say(m, DIRCACHE_CREATE, *node, (struct name){0, NULL}, NULL);
	return 0;
}

static int list_again(struct dircache *m, struct dircache_node *node,
	const struct dircache_entry *entry)
{
	struct dircache_entry known = dircache_node_entry(m, node);
	bitmap4 told = bitmap4_and(&entry->mask, &known.mask);
	bool same = dirattr_first_difference(
			    &known.attr, &entry->attr, &told) == BITMAP4_BITS;

	list_del(&node->in_order);
	list_add_tail(&m->order, &node->in_order);
	node->cookie = entry->cookie;
	if (dircache_node_learn(m, node, entry) < 0)
		return -ENOMEM;
	if (!same)
		dircache_say_attrs(m, node, &known);
	return 0;
}

static bool is_same_object(const struct dircache *m,
	const struct dircache_node *node, const struct dircache_entry *entry)
{
	struct dircache_entry known = dircache_node_entry(m, node);

	return dircache_same_object(&known, entry);
}

/* Some names may be listed again: they were renamed meanwhile. */
#define LISTED_AGAIN_MAX 1000

int dircache_fill_entry(struct dircache *m, const struct dircache_entry *entry)
{
	struct dircache_node *node = dircache_node_find(m, entry->name);
	int err;

	if (node && node->fill == m->fill &&
		++m->listed_again > m->count + LISTED_AGAIN_MAX)
		return -EPROTO;
	if (!node)
		err = list_new(m, &node, entry);
	else if (!is_same_object(m, node, entry))
		err = relist(m, &node, entry);
	else
		err = list_again(m, node, entry);
	if (err == 0) {
		node->fill = m->fill;
		node->listed = true;
	}
	return err;
}

/* What was listed was put at the end of the order. */
bool dircache_fill_prune(struct dircache *m)
{
	struct dircache_node *node;

	if (list_empty(&m->order))
		return false;
	node = list_first_entry(&m->order, struct dircache_node, in_order);
	if (node->fill == m->fill)
		return false;
	dircache_node_unlink(m, node);
	dircache_say(m, DIRCACHE_DELETE, node, (struct name){0, NULL}, NULL);
	dircache_node_free(m, node);
	return true;
}

int dircache_fill_end(struct dircache *m, uint64_t verifier)
{
	struct dircache_waiting *w, *tmp;
	int err, worst = 0;

	while (dircache_fill_prune(m))
		;
	m->filling = false;
	m->verifier = verifier;
	list_for_each_entry_safe(w, tmp, &m->waiting, link) {
		list_del(&w->link);
		err = dircache_apply_now(m, &w->change);
		free(w);
		worst = err ? err : worst;
	}
	return worst;
}

void dircache_settle(struct dircache *m)
{
	if (!m->filling)
		m->settled = true;
}

bool dircache_is_settled(const struct dircache *m)
{
	return m->settled;
}

void dircache_quiet(struct dircache *m, bool quiet)
{
	m->quiet = quiet;
}

/* ---- waiting notifications ---- */

/* What @entry points to, moved behind *@at. */
static void keep_entry(struct dircache_entry *entry, char **at)
{
	if (entry->name.len)
		memcpy(*at, entry->name.data, entry->name.len);
	entry->name.data = *at;
	*at += entry->name.len;
	if (entry->handle.len)
		memcpy(*at, entry->handle.data, entry->handle.len);
	entry->handle.data = (uint8_t *)*at;
	*at += entry->handle.len;
}

static size_t entry_bytes(const struct dircache_entry *entry)
{
	return entry->name.len + entry->handle.len;
}

size_t dircache_change_bytes(const struct dircache_change *change)
{
	return entry_bytes(&change->entry) + entry_bytes(&change->old) +
		entry_bytes(&change->overwritten) + change->previous.len;
}

void dircache_change_copy(struct dircache_change *to,
	const struct dircache_change *from, char *bytes)
{
	*to = *from;
	keep_entry(&to->entry, &bytes);
	keep_entry(&to->old, &bytes);
	keep_entry(&to->overwritten, &bytes);
	if (from->previous.len)
		memcpy(bytes, from->previous.data, from->previous.len);
	to->previous.data = bytes;
}

static int keep_waiting(
	struct dircache *m, const struct dircache_change *change)
{
	struct dircache_waiting *w =
		malloc(sizeof(*w) + dircache_change_bytes(change));

	if (!w)
		return -ENOMEM;
	dircache_change_copy(&w->change, change, w->bytes);
	list_add_tail(&m->waiting, &w->link);
	return 0;
}

int dircache_apply(struct dircache *m, const struct dircache_change *change)
{
	if (m->filling)
		return keep_waiting(m, change);
	return dircache_apply_now(m, change);
}

/* ---- looking ---- */

const char *dircache_contradiction(const struct dircache *m)
{
	return m->contradiction;
}

size_t dircache_count(const struct dircache *m)
{
	return m->count;
}

uint64_t dircache_verifier(const struct dircache *m)
{
	return m->verifier;
}

const struct attr *dircache_dir_attr(const struct dircache *m, bitmap4 *mask)
{
	*mask = m->dir_mask;
	return &m->dir_attr;
}

bool dircache_find(
	const struct dircache *m, struct name name, struct dircache_entry *ret)
{
	const struct dircache_node *node = dircache_node_find(m, name);

	if (node)
		*ret = dircache_node_entry(m, node);
	return node != NULL;
}

void dircache_each(const struct dircache *m,
	bool (*each)(void *ctx, const struct dircache_entry *entry), void *ctx)
{
	const struct dircache_node *node;

	list_for_each_entry(node, &m->order, in_order) {
		struct dircache_entry entry = dircache_node_entry(m, node);

		if (!each(ctx, &entry))
			return;
	}
}
