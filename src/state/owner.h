/* SPDX-License-Identifier: MIT */
/*
 * Open owners and lock owners (RFC 8881 9.1.3): a client's names for who holds
 * what. Two states have the same owner when they point to the same object.
 */
#ifndef STATE_OWNER_H
#define STATE_OWNER_H

#include <stdint.h>

#include "base/htab.h"
#include "proto/opaque.h"
#include "state/client.h"

enum owner_kind { OWNER_OPEN, OWNER_LOCK };

struct owner {
	struct htab_link link; /* client->owners */
	struct client *client; /* borrowed: who refers to it holds it */
	uint32_t refs;         /* guarded by client->lock */
	uint8_t kind;          /* enum owner_kind */
	uint32_t len;
	uint8_t bytes[];
};

/* Made when missing; a reference, or NULL when out of memory. Locks the client. */
struct owner *owner_get(
	struct client *c, enum owner_kind kind, const struct xdr_opaque *bytes);

/* A reference if there is such an owner; else NULL. */
struct owner *owner_find(
	struct client *c, enum owner_kind kind, const struct xdr_opaque *bytes);

/* NULL is ignored. Locks the client: not under a node's lock. */
void owner_put(struct owner *o);

#endif
