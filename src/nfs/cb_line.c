/* SPDX-License-Identifier: MIT */
/*
 * Callbacks that found all slots of their client in use stand in line
 * (client->cb_waiting): first come, first served. Only the first one looks for
 * a slot again, when it is called. Who leaves the line calls the next one if
 * there may be a slot for that, too: a slot that comes free costs one look,
 * however many wait.
 */
#include "nfs/cb.h"

#include "base/cleanup.h"
#include "state/client.h"

bool cb_line_may_look(struct cb_task *task)
{
	struct client *client = task->client;

	scope_lock(&client->lock);
	task->calls_seen = client->cb_calls;
	if (list_empty(&client->cb_waiting) || task->called)
		return true;
	list_add_tail(&client->cb_waiting, &task->waiting);
	return false;
}

void cb_line_wait(struct cb_task *task)
{
	/* It may be called, and end, as soon as it stands in line. */
	struct client *client = client_ref(task->client);
	struct nfs_server *server = task->server;
	bool missed;

	lock_acquire(&client->lock);
	if (!task->called)
		list_add_tail(&client->cb_waiting, &task->waiting);
	task->called = false;
	missed = task->calls_seen != client->cb_calls;
	lock_release(&client->lock);
	if (missed)
		cb_ready(server, client);
	client_put(client);
}

void cb_line_leave(struct cb_task *task)
{
	struct client *client = task->client;
	bool others;

	if (!task->called)
		return; /* it never stood there */
	lock_acquire(&client->lock);
	task->called = false;
	list_del(&task->waiting);
	others = !list_empty(&client->cb_waiting);
	lock_release(&client->lock);
	if (others && cbsession_has_free_slot(client))
		cb_ready(task->server, client);
}

/* The first in line, unless it was called already; with @end off the line. */
static struct cb_task *call_first(struct client *client, bool end)
{
	struct cb_task *first;

	scope_lock(&client->lock);
	client->cb_calls++;
	if (list_empty(&client->cb_waiting))
		return NULL;
	first = list_first_entry(&client->cb_waiting, struct cb_task, waiting);
	if (first->called)
		return NULL;
	if (end)
		list_del(&first->waiting);
	else
		first->called = true;
	return first;
}

void cb_ready(void *ctx, struct client *client)
{
	struct nfs_server *server = ctx;
	struct cb_task *task;

	/* While the server stops there may be no worker left to call it. */
	while (atomic_load(&server->stopping)) {
		task = call_first(client, true);
		if (!task)
			return;
		cb_end_unsent(task);
	}
	task = call_first(client, false);
	if (task)
		rpc_post(server->rpc, &task->job);
}
