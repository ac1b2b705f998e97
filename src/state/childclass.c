/* SPDX-License-Identifier: MIT */
#include "state/childclass.h"

#include <stdlib.h>
#include <string.h>

#include "state/client.h"

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
	list_init(&class->link);
	list_init(&class->changes);
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
		free(change);
	htab_fini(&class->table);
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

static struct childchange *find(const struct childclass *class, uint64_t child)
{
	struct htab_link *at =
		class->table.buckets ? htab_first(&class->table, child) : NULL;

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

/* Most classes of most directories never need the table. */
static bool has_table(struct childclass *class)
{
	return class->table.buckets || htab_init(&class->table, 0) == 0;
}

void childclass_note(struct childclass *class, uint64_t child,
	const struct fileid *id, uint64_t by, uint32_t via)
{
	struct childchange *change = find(class, child);

	if (change) {
		change->by_many |= by != change->by || via != change->via;
		return;
	}
	change = has_table(class) ? change_new(id, by, via) : NULL;
	if (!change) {
		class->lost = true;
		return;
	}
	list_add_tail(&class->changes, &change->on_class);
	htab_insert(&class->table, &change->link, child);
}

struct childchange *childclass_take(struct childclass *class)
{
	struct childchange *change;

	if (list_empty(&class->changes))
		return NULL;
	change =
		list_first_entry(&class->changes, struct childchange, on_class);
	list_del(&change->on_class);
	htab_remove(&class->table, &change->link);
	if (class->table.count == 0)
		htab_fini(&class->table);
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
