/* SPDX-License-Identifier: MIT */
/*
 * Listing a directory that others change, too (DD-23). What a client lists it
 * believes in; so what is listed must have been told before, or nobody would
 * tell it that a name is gone which came and went between two looks.
 */
#ifndef NFS_LOCAL_LIST_H
#define NFS_LOCAL_LIST_H

#include <stdbool.h>
#include <stdint.h>

#include "vocab/fileid.h"
#include "vocab/name.h"

struct nfs_server;

/* An entry of a page; memory of the caller's. */
struct local_listed {
	struct local_listed *next;
	struct name name;
	uint64_t child; /* told_child(); 0: not known */
	bool is_untold; /* for local_list_check() */
};

/* Is there somebody in @dir to whom it matters? */
bool local_list_matters(struct nfs_server *server, const struct fileid *dir);

/*
 * @page is about to be sent. False: something in it was not told yet, is told
 * now, and may not be true any more: list it again. With a permit, under no
 * lock.
 */
bool local_list_check(struct nfs_server *server, const struct fileid *dir,
	struct local_listed *page);

/* It never was so for long enough: they must look for themselves. */
void local_list_give_up(struct nfs_server *server, const struct fileid *dir);

#endif
