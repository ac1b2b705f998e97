/* SPDX-License-Identifier: MIT */
/*
 * Attributes of children change (CHANGE_CHILD_ATTRS; RFC 8881 20.4.3). WRITE,
 * SETATTR and the like bring a filehandle that names no parent, so each ends
 * with a look into an index of the children of all directories where somebody
 * wants to hear of them (childindex.h). What is found there is written down
 * (childclass.h), once per child however often it changes. When the delay that
 * the holders agreed to is over its attributes are read and told, as of then,
 * inside the change section of the directory: names are those of the told set
 * then, and the event goes to the end of the queue, so it never passes an entry
 * event of its name. A child that has lost its name by then needs none.
 */
#ifndef STATE_CHILDATTR_H
#define STATE_CHILDATTR_H

#include <stdbool.h>

#include "proto/nfs4.h"
#include "state/client.h"
#include "state/dirchange.h"
#include "vocab/attr.h"

/* ---- something changes ---- */

/*
 * Does somebody want to hear of changes of @id? Then its attributes before and
 * after are worth comparing. Costs one load where nobody wants any.
 */
bool childattr_is_watched(struct state *s, const struct fileid *id);

struct childattr_change {
	const struct fileid *id;
	bitmap4 changed;          /* FATTR4_* that are not what they were */
	const struct client *who; /* NULL: nobody we know */
	uint32_t via;             /* the export it used */
	/*
	 * It follows from changes of entries, @entry[i] in @in->dir[i], which
	 * are not committed yet: what those tell is not told again. Or NULL.
	 */
	const struct dirchange *in;
	const struct dir_change *entry;
};

/*
 * It has happened, and its change attribute has moved. Where attributes that
 * somebody was promised changed, that of the access time not counted, they will
 * be told; those who cannot are recalled. Change sections may be held.
 */
void childattr_note(struct state *s, const struct childattr_change *change);

/* Who changed @id, and how, is not known: all of it is told as it is then. */
void childattr_note_unknown(struct state *s, const struct fileid *id);

/*
 * @entry is found in a directory as of now, and its attributes are going to be
 * told: if it was changed since they were read, by somebody who did not find
 * it there, that is told, too.
 */
void childattr_settle(struct state *s, const struct change_entry *entry);

/*
 * Up to @max directories that have @id and somebody who hears of it, in @ret;
 * one with two names of it twice. How many there are in @ret.
 */
int childattr_find_dirs(
	struct state *s, const struct fileid *id, struct fileid *ret, int max);

/*
 * Not all that happens to the children of @dir can be told any more: recall
 * (resource) who hears of it. Without locks.
 */
void childattr_give_up(struct state *s, const struct fileid *dir);

/* ---- it is told ---- */

/*
 * A directory of state_ops.tell_children: tell some of what is due. @read gives
 * the attributes of a child as they are, `change` included: 0; -ESTALE when it
 * is gone; or another error, for which its holders are recalled. It is called
 * inside the change section. True: there is more, call again.
 */
bool childattr_tell(struct node *dir,
	int (*read)(void *ctx, const struct fileid *id, struct attr *ret),
	void *ctx);

/* It cannot be done now: state_ops.tell_children again in a moment. */
void childattr_tell_later(struct node *dir);

/* The export that some holder of @dir uses, to read children by. */
bool childattr_find_export(struct node *dir, uint32_t *via);

#endif
