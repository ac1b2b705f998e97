/* SPDX-License-Identifier: MIT */
#include "state/owner.h"

#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"

static uint64_t hash_of(const struct xdr_opaque *bytes)
{
	return htab_hash(bytes->data, bytes->len);
}

static struct owner *find_held(
	struct client *c, enum owner_kind kind, const struct xdr_opaque *bytes)
{
	struct htab_link *at;

	htab_for_each_match(at, &c->owners, hash_of(bytes)) {
		struct owner *o = container_of(at, struct owner, link);
		struct xdr_opaque own = xdr_opaque_from(o->bytes, o->len);

		if (o->kind == kind && xdr_opaque_equal(&own, bytes)) {
			o->refs++;
			return o;
		}
	}
	return NULL;
}

struct owner *owner_find(
	struct client *c, enum owner_kind kind, const struct xdr_opaque *bytes)
{
	scope_lock(&c->lock);
	return find_held(c, kind, bytes);
}

struct owner *owner_get(
	struct client *c, enum owner_kind kind, const struct xdr_opaque *bytes)
{
	struct owner *o;

	scope_lock(&c->lock);
	o = find_held(c, kind, bytes);
	if (o)
		return o;
	o = malloc(sizeof(*o) + bytes->len);
	if (!o)
		return NULL;
	*o = (struct owner){
		.client = c, .refs = 1, .kind = kind, .len = bytes->len};
	if (bytes->len)
		memcpy(o->bytes, bytes->data, bytes->len);
	htab_insert(&c->owners, &o->link, hash_of(bytes));
	return o;
}

void owner_put(struct owner *o)
{
	if (!o)
		return;
	scope_lock(&o->client->lock);
	if (--o->refs > 0)
		return;
	htab_remove(&o->client->owners, &o->link);
	free(o);
}
