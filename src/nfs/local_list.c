/* SPDX-License-Identifier: MIT */
#include "nfs/local_list.h"

#include "base/cleanup.h"
#include "nfs/local_dir.h"
#include "state/dirchange.h"
#include "state/dirdeleg.h"
#include "state/dirside.h"

bool local_list_matters(struct nfs_server *server, const struct fileid *dir)
{
	struct local *l = &server->local;

	scope_lock(&l->lock);
	return local_dir_find_locked(l, dir);
}

static bool is_told(const struct told *told, const struct local_listed *e)
{
	struct told_entry known;

	return told_find(told, e->name, &known) &&
		(!e->child || !known.child || e->child == known.child);
}

/* Where nothing is written down everybody is recalled for any change. */
static void compare(struct dirchange *dc, struct local_listed *page)
{
	struct told *told = dirside_told(dc->dir[0]);

	for (struct local_listed *e = page; e; e = e->next)
		e->is_untold = told && !is_told(told, e);
	told_put(told);
}

static bool look_at_untold(struct local_dir *d, const struct local_listed *page)
{
	bool any = false;

	for (const struct local_listed *e = page; e; e = e->next) {
		if (!e->is_untold)
			continue;
		local_look_at_name(d, e->name, (struct name){.len = 0});
		any = true;
	}
	return any;
}

bool local_list_check(struct nfs_server *server, const struct fileid *dir,
	struct local_listed *page)
{
	struct local_dir *d = local_dir_get(server, dir);
	struct dirchange dc = {.via = 0};
	bool looked = false;

	if (!d)
		return true;
	if (dirchange_begin(&dc, server->state, NULL, dir, NULL) == NFS4_OK) {
		compare(&dc, page);
		dirchange_abort(&dc);
		looked = look_at_untold(d, page);
	}
	local_dir_put(d);
	return !looked;
}

void local_list_give_up(struct nfs_server *server, const struct fileid *dir)
{
	dirdeleg_recall(server->state, dir, RECALL_LOCAL_CHANGE);
}
