/* SPDX-License-Identifier: MIT */
#include "nfs/childjob.h"

#include <errno.h>
#include <stdlib.h>

#include "nfs/attrs.h"
#include "nfs/export.h"
#include "nfs/local.h"
#include "nfs/server.h"
#include "state/childattr.h"
#include "state/node.h"

/* One for each directory that is due; it ends when nothing is any more. */
struct childjob {
	struct rpc_job job;
	struct nfs_server *server;
	struct node *dir;
	struct export *export; /* children are read by it */
};

static void end(struct childjob *cj)
{
	node_put(cj->dir);
	free(cj);
}

/* It has other links: what is done by those is to be seen as well. */
static bool is_news(
	struct childjob *cj, const struct fileid *id, const struct attr *attr)
{
	struct fileid dir;

	if (attr->nlink < 2 || attr->type == OBJECT_DIR)
		return false;
	node_copy_id(cj->dir, &dir);
	return local_note_linked(cj->server, &dir, id);
}

static int read_child(void *ctx, const struct fileid *id, struct attr *ret)
{
	struct childjob *cj = ctx;
	nfsstat4 status = attrs_read(cj->server, cj->export, id, ret);

	if (status == NFS4_OK && is_news(cj, id, ret))
		status = attrs_read(cj->server, cj->export, id, ret);
	if (status == NFS4_OK)
		return 0;
	return status == NFS4ERR_STALE ? -ESTALE : -EIO;
}

static bool find_export(struct childjob *cj)
{
	uint32_t via;

	if (!childattr_find_export(cj->dir, &via))
		return false;
	cj->export = exports_find(&cj->server->exports, via);
	return cj->export;
}

/* False: there is no more, or not now. */
static bool run_permitted(struct childjob *cj)
{
	struct rpc *rpc = cj->server->rpc;
	bool more;

	if (!rpc_permit_take(rpc, &cj->export->gate)) {
		childattr_tell_later(cj->dir);
		return false;
	}
	more = childattr_tell(cj->dir, read_child, cj);
	rpc_permit_give(rpc, &cj->export->gate);
	return more;
}

static void run(struct rpc_job *job)
{
	struct childjob *cj = container_of(job, struct childjob, job);

	if (cj->server->stopping)
		end(cj);
	else if (find_export(cj) && run_permitted(cj))
		rpc_post(cj->server->rpc, &cj->job);
	else
		end(cj);
}

void childjob_start(void *server, struct node *dir)
{
	struct nfs_server *s = server;
	struct childjob *cj = s->stopping ? NULL : calloc(1, sizeof(*cj));

	if (!cj) {
		if (!s->stopping)
			childattr_tell_later(dir);
		node_put(dir);
		return;
	}
	cj->job.run = run;
	cj->server = s;
	cj->dir = dir;
	rpc_post(s->rpc, &cj->job);
}
