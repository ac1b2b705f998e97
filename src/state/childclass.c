/* SPDX-License-Identifier: MIT */
#include "state/childclass.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "state/client.h"

static bitmap4 attrs_of(const struct deleg_terms *terms)
{
	bitmap4 attrs = terms->child_attrs;

	bitmap4_clear(&attrs, FATTR4_TIME_ACCESS);
	return attrs;
}

struct childclass *childclass_new(
	struct node *node, const struct deleg_terms *terms)
{
	struct childclass *class = calloc(1, sizeof(*class));

	if (!class)
		return NULL;
	class->node = node;
	class->attrs = attrs_of(terms);
	class->delay_ms = terms->child_delay_ms;
	list_init(&class->on_due);
	return class;
}

void childclass_free(struct childclass *class)
{
	struct childchange *change;

	if (!class)
		return;
	assert(list_empty(&class->on_due));
	while ((change = childclass_take(class)))
		free(change);
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

/* Most classes of most directories have none most of the time. */
struct childchanges {
	struct list list; /* oldest first */
	struct htab table;
};

static struct childchanges *changes_of(struct childclass *class)
{
	struct childchanges *changes = class->changes;

	if (changes)
		return changes;
	changes = malloc(sizeof(*changes));
	if (!changes)
		return NULL;
	if (htab_init(&changes->table, 0) < 0) {
		free(changes);
		return NULL;
	}
	list_init(&changes->list);
	class->changes = changes;
	return changes;
}

static struct childchange *find(
	const struct childchanges *changes, uint64_t child)
{
	struct htab_link *at = htab_first(&changes->table, child);

	return at ? container_of(at, struct childchange, link) : NULL;
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
	return change;
}

static void drop_if_empty(struct childclass *class)
{
	struct childchanges *changes = class->changes;

	if (!list_empty(&changes->list))
		return;
	htab_fini(&changes->table);
	free(changes);
	class->changes = NULL;
}

static void write_down(struct childclass *class, struct childchanges *changes,
	uint64_t child, struct childchange *change)
{
	if (change) {
		list_add_tail(&changes->list, &change->on_class);
		htab_insert(&changes->table, &change->link, child);
	} else {
		class->lost = true;
		drop_if_empty(class);
	}
}

void childclass_note(struct childclass *class, uint64_t child,
	const struct fileid *id, uint64_t by, uint32_t via)
{
	struct childchanges *changes = changes_of(class);
	struct childchange *change = changes ? find(changes, child) : NULL;

	if (change)
		change->by_many |= by != change->by || via != change->via;
	else if (changes)
		write_down(class, changes, child, change_new(id, by, via));
	else
		class->lost = true;
}

struct childchange *childclass_take(struct childclass *class)
{
	struct childchanges *changes = class->changes;
	struct childchange *change;

	if (!changes)
		return NULL;
	change = list_first_entry(&changes->list, struct childchange, on_class);
	list_del(&change->on_class);
	htab_remove(&changes->table, &change->link);
	drop_if_empty(class);
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
