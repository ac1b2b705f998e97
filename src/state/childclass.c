/* SPDX-License-Identifier: MIT */
#include "state/childclass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "state/client.h"
#include "state/dirmemory.h"

static bitmap4 attrs_of(const struct deleg_terms *terms)
{
	bitmap4 attrs = terms->child_attrs;

	bitmap4_clear(&attrs, FATTR4_TIME_ACCESS);
	return attrs;
}

struct childclass *childclass_new(const struct deleg_terms *terms)
{
	struct childclass *class = calloc(1, sizeof(*class));

	if (!class)
		return NULL;
	class->attrs = attrs_of(terms);
	class->delay_ms = terms->child_delay_ms;
	return class;
}

void childclass_free(struct childclass *class)
{
	struct childchange *change;

	if (!class)
		return;
	while ((change = childclass_take(class)))
		childchange_free(change);
	if (class->changes)
		childclass_drop_changes(class);
	free(class);
}

bool childclass_fits(
	const struct childclass *class, const struct deleg_terms *terms)
{
	bitmap4 attrs = attrs_of(terms);

	return class->delay_ms == terms->child_delay_ms &&
		bitmap4_equal(&class->attrs, &attrs);
}

/* ---- writing down ---- */

static struct childchanges *changes_new(struct node *node)
{
	struct childchanges *changes = calloc(1, sizeof(*changes));

	if (!changes)
		return NULL;
	if (htab_init(&changes->table, 0) < 0) {
		free(changes);
		return NULL;
	}
	changes->node = node;
	list_init(&changes->list);
	list_init(&changes->on_due);
	return changes;
}

void childclass_drop_changes(struct childclass *class)
{
	struct childchanges *changes = class->changes;

	assert(list_empty(&changes->list) && list_empty(&changes->on_due));
	htab_fini(&changes->table);
	free(changes);
	class->changes = NULL;
}

static struct childchange *find(
	const struct childchanges *changes, uint64_t child)
{
	struct htab_link *at = htab_first(&changes->table, child);

	return at ? container_of(at, struct childchange, link) : NULL;
}

static int64_t change_bytes(const struct childchange *change)
{
	return sizeof(*change) + change->id_len;
}

static struct childchange *change_new(
	const struct fileid *id, uint64_t by, uint32_t via)
{
	struct childchange *change = malloc(sizeof(*change) + id->len);

	if (!change)
		return NULL;
	change->by = by;
	change->via = via;
	change->by_many = by == 0;
	change->id_len = id->len;
	memcpy(change->id_data, id->data, id->len);
	dirmemory_count(DIRMEMORY_CHILDREN, change_bytes(change));
	return change;
}

void childchange_free(struct childchange *change)
{
	dirmemory_count(DIRMEMORY_CHILDREN, -change_bytes(change));
	free(change);
}

bool childclass_note(struct childclass *class, struct node *node,
	uint64_t child, const struct fileid *id, uint64_t by, uint32_t via)
{
	struct childchange *change;

	if (!class->changes)
		class->changes = changes_new(node);
	if (!class->changes)
		return false;
	change = find(class->changes, child);
	if (change) {
		change->by_many |= by != change->by || via != change->via;
		return true;
	}
	if (dirmemory_is_over(node->state))
		return false;
	change = change_new(id, by, via);
	if (!change)
		return false;
	list_add_tail(&class->changes->list, &change->on_class);
	htab_insert(&class->changes->table, &change->link, child);
	return true;
}

size_t childclass_count(const struct childclass *class)
{
	return class->changes ? class->changes->table.count : 0;
}

struct childchange *childclass_take(struct childclass *class)
{
	struct childchanges *changes = class->changes;
	struct childchange *change;

	if (!changes || list_empty(&changes->list))
		return NULL;
	change = list_first_entry(&changes->list, struct childchange, on_class);
	list_del(&change->on_class);
	htab_remove(&changes->table, &change->link);
	return change;
}

void childchange_copy_id(const struct childchange *change, struct fileid *ret)
{
	ret->len = change->id_len;
	memcpy(ret->data, change->id_data, change->id_len);
}

bool childchange_is_own(const struct childchange *change, const struct deleg *d)
{
	return !change->by_many && d->sid.client->id == change->by &&
		d->via == change->via;
}
