/* SPDX-License-Identifier: MIT */
/*
 * The directory's own attributes change: SETATTR, an ACL, an extended
 * attribute of it (DD-03). What follows from a change of its entries is no
 * change of its own; it rides with the entry's event (dir_change.dir_attr).
 * The change section is that of dirchange.h:
 *
 *	dirchange_begin
 *	  dry check by the store; a failing operation leaves: nobody is told
 *	dirattrs_admit		may the other holders be told? else recall
 *	  the store's change
 *	dirattrs_commit		permissions looked at again, events queued
 *	dirchange_leave
 *
 * A watcher of changes on the server's disk calls dirattrs_commit() alone, for
 * what has happened already, with nobody as the mutator.
 */
#ifndef STATE_DIRATTRS_H
#define STATE_DIRATTRS_H

#include "state/dirchange.h"
#include "vocab/attr.h"
#include "vocab/cred.h"

/*
 * May the attributes change now? As dirchange_admit(). @lenient: a change that
 * recalls nobody (of the access time alone); only who covers it will be told.
 */
nfsstat4 dirattrs_admit(struct dirchange *dc, bool lenient);

struct dirattrs_change {
	/* The attributes now; NULL: they could not be read. */
	const struct attr *now;
	bitmap4 changed; /* FATTR4_* that are not what they were */
	/*
	 * May @cred still list and search it? Asked inside the section, under
	 * no other lock, for each holder's credentials. NULL: nothing changed
	 * that permissions are made of.
	 */
	bool (*may_watch)(void *ctx, const struct cred *cred);
	void *ctx;
};

/*
 * They changed. Whose credentials may not read the directory any more is
 * recalled (permission; DD-12), the mutator too, and hears of nothing else.
 * Other holders of CHANGE_DIR_ATTRS are told, if an attribute they were
 * promised changed, access time not counted; those who cannot be told because
 * it cannot be read are recalled (overflow). Inside the section.
 */
void dirattrs_commit(
	struct dirchange *dc, const struct dirattrs_change *change);

#endif
