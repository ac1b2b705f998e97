/* SPDX-License-Identifier: MIT */
/*
 * The model's inside: dircache.c has the entries and the filling,
 * dircache_apply.c the notifications, dircache_equal.c the comparison.
 */
#ifndef CLIENT_DIRCACHE_PRIV_H
#define CLIENT_DIRCACHE_PRIV_H

#include "base/htab.h"
#include "base/list.h"
#include "client/dircache.h"

/*
 * One entry. There may be millions, so what few models keep is apart, and
 * everybody but dircache.c looks at it through dircache_node_entry().
 */
struct dircache_node {
	struct htab_link by_name;
	struct list in_order;
	uint64_t cookie;
	uint64_t inode;  /* FATTR4_FILEID */
	uint8_t *handle; /* NULL: not known */
	uint32_t mask[BITMAP4_WORDS];
	uint32_t fill; /* the last fill that listed it */
	uint8_t type;  /* FATTR4_TYPE */
	uint8_t handle_len;
	bool listed; /* by a fill, and no notification since */
	uint16_t name_len;
	char bytes[]; /* the name, then m->packed attributes */
};

static inline struct name dircache_node_name(const struct dircache_node *node)
{
	return (struct name){.len = node->name_len, .data = node->bytes};
}

/* All that is known; points into the node. */
struct dircache_entry dircache_node_entry(
	const struct dircache *m, const struct dircache_node *node);

/* A notification that waits for the end of the fill; all strings are ours. */
struct dircache_waiting {
	struct list link;
	struct dircache_change change;
	char bytes[];
};

struct dircache {
	struct dircache_config config;
	bitmap4 keep;
	bitmap4 packed; /* those of keep that lie packed in the nodes */
	size_t packed_size;
	struct htab by_name;
	struct list order;
	size_t count;
	uint64_t verifier;
	bitmap4 dir_mask;
	struct attr dir_attr;
	bool filling, settled, quiet;
	bool order_lost; /* since the last fill */
	uint32_t fill;
	size_t listed_again; /* by this fill */
	struct list waiting; /* struct dircache_waiting */
	/* The names of the rename just applied, while they may echo. */
	struct dircache_echo {
		bool may;
		uint32_t len;
		char bytes[NAME_LEN_MAX];
	} echo_old, echo_new;
	const char *contradiction; /* NULL: none; see dircache_apply.c */
};

struct dircache_node *dircache_node_find(
	const struct dircache *m, struct name name);

/* A node with what is kept of @entry, not linked yet; NULL: no memory. */
struct dircache_node *dircache_node_new(
	struct dircache *m, const struct dircache_entry *entry);
void dircache_node_free(struct dircache *m, struct dircache_node *node);
void dircache_node_link(struct dircache *m, struct dircache_node *node);
void dircache_node_unlink(struct dircache *m, struct dircache_node *node);

/* Learn what is told of @entry and kept. 0 or -ENOMEM. */
int dircache_node_learn(struct dircache *m, struct dircache_node *node,
	const struct dircache_entry *entry);

/* Could both be the same object? True when too little is known. */
bool dircache_same_object(
	const struct dircache_entry *a, const struct dircache_entry *b);

void dircache_say(struct dircache *m, enum dircache_event event,
	const struct dircache_node *node, struct name from,
	const struct dircache_node *replaced);

/* Attributes of @node were told; they were @before. */
void dircache_say_attrs(struct dircache *m, const struct dircache_node *node,
	struct dircache_entry *before);

void dircache_forgive(struct dircache *m);

/* Apply now, also while filling. */
int dircache_apply_now(
	struct dircache *m, const struct dircache_change *change);

#endif
