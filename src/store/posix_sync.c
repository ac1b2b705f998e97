/* SPDX-License-Identifier: MIT */
/*
 * Unsynced writes and failed syncs. The kernel reports a failed write-back
 * once per open file, to whoever syncs first, and then takes the pages for
 * clean. So syncs of one descriptor run one at a time, a failure is told to
 * everyone whose write may have been in it, and the write verifier changes:
 * that makes clients send their unstable writes again.
 */
#include "store/posix_fh.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/rand.h"

/* Errors kept for a commit; more are covered by the changed verifier alone. */
#define KEPT_MAX 1024

struct kept_error {
	struct htab_link link;
	struct fileid id;
	int err;
};

uint64_t fh_failures(struct fh *fh)
{
	return atomic_load(&fh->failures);
}

void fh_wrote(struct fh *fh)
{
	atomic_fetch_add(&fh->written, 1);
}

bool fh_is_dirty_locked(const struct fh *fh)
{
	return fh->flushed < atomic_load(&fh->written);
}

void fh_sync_start(struct fh *fh)
{
	sync_file_range(fh->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
}

static void change_verifier(struct fh_cache *c)
{
	uint64_t old = atomic_load(&c->verifier), new;

	do {
		new = rand_u64();
	} while (new == old);
	atomic_store(&c->verifier, new);
}

/* What is to be synced has been done: "try again" would be no answer. */
static int sync_result(int failed)
{
	if (!failed)
		return 0;
	return errno == EAGAIN || errno == EINTR || errno == ENOMEM ? -EIO
								    : -errno;
}

static int sync_fd(int fd, bool data_only)
{
	return sync_result(data_only ? fdatasync(fd) : fsync(fd));
}

static void sync_failed(struct fh_cache *c, int err)
{
	change_verifier(c);
	log_limited(LOG_LVL_ERROR, 10000,
		"a file could not be written to disk error=%d", -err);
}

static void note_result_locked(
	struct fh *fh, bool data_only, uint64_t number, int err)
{
	if (err) {
		fh->failure = err;
		atomic_fetch_add(&fh->failures, 1);
	}
	/* After a failure the pages are clean: no second try helps. */
	fh->flushed = number;
	if (!data_only || err)
		fh->synced = number;
}

/* Run one sync with the lock given up meanwhile. */
static int sync_locked(struct fh *fh, bool data_only)
{
	uint64_t number = atomic_load(&fh->written);
	int err;

	fh->syncing = true;
	lock_release(&fh->cache->lock);
	err = sync_fd(fh->fd, data_only);
	if (err)
		sync_failed(fh->cache, err);
	lock_acquire(&fh->cache->lock);
	note_result_locked(fh, data_only, number, err);
	fh->syncing = false;
	cond_broadcast(&fh->cache->synced);
	return err;
}

int fh_sync(struct fh *fh, bool data_only, uint64_t failures)
{
	uint64_t number = atomic_load(&fh->written);

	scope_lock(&fh->cache->lock);
	for (;;) {
		if (atomic_load(&fh->failures) != failures)
			return fh->failure;
		if ((data_only ? fh->flushed : fh->synced) >= number)
			return 0;
		if (!fh->syncing)
			return sync_locked(fh, data_only);
		cond_wait(&fh->cache->synced, &fh->cache->lock);
	}
}

int fh_sync_fd(struct fh_cache *c, int fd)
{
	int err = sync_fd(fd, false);

	if (err && err != -EINVAL)
		sync_failed(c, err);
	return err;
}

/* Run syncfs() for everybody who came before it began. */
static void sync_all_locked(struct fh_cache *c, int fd)
{
	uint64_t number = ++c->all_begun;
	int err;

	c->all_running = true;
	lock_release(&c->lock);
	err = sync_result(syncfs(fd));
	if (err)
		sync_failed(c, err);
	lock_acquire(&c->lock);
	c->all_running = false;
	c->all_ended = number;
	if (err) {
		c->all_failures++;
		c->all_failure = err;
	}
	cond_broadcast(&c->synced);
}

int fh_sync_all(struct fh_cache *c, int fd)
{
	uint64_t number, failures;

	scope_lock(&c->lock);
	number = c->all_begun;
	failures = c->all_failures;
	while (c->all_ended <= number) {
		if (c->all_running)
			cond_wait(&c->synced, &c->lock);
		else
			sync_all_locked(c, fd);
	}
	return c->all_failures == failures ? 0 : c->all_failure;
}

static struct kept_error *kept_find(
	struct fh_cache *c, const struct fileid *id, uint64_t hash)
{
	struct htab_link *link;

	htab_for_each_match(link, &c->kept, hash) {
		struct kept_error *k =
			container_of(link, struct kept_error, link);

		if (fileid_equal(&k->id, id))
			return k;
	}
	return NULL;
}

void fh_keep_error(struct fh_cache *c, const struct fileid *id, int err)
{
	uint64_t hash = htab_hash(id->data, id->len);
	struct kept_error *k;

	scope_lock(&c->lock);
	if (c->kept.count >= KEPT_MAX || kept_find(c, id, hash))
		return;
	k = malloc(sizeof(*k));
	if (!k)
		return; /* the verifier tells it */
	k->id = *id;
	k->err = err;
	htab_insert(&c->kept, &k->link, hash);
}

static int kept_take(struct fh_cache *c, const struct fileid *id)
{
	struct kept_error *k;
	int err;

	scope_lock(&c->lock);
	if (c->kept.count == 0)
		return 0;
	k = kept_find(c, id, htab_hash(id->data, id->len));
	if (!k)
		return 0;
	err = k->err;
	htab_remove(&c->kept, &k->link);
	free(k);
	return err;
}

int fh_commit(struct fh_cache *c, const struct fileid *id)
{
	scope_fh *fh = fh_find(c, id, FH_WRITE);
	int err = 0, kept;

	if (fh)
		err = fh_sync(fh, false, fh_failures(fh));
	kept = kept_take(c, id);
	return err ? err : kept;
}

void fh_kept_fini(struct fh_cache *c)
{
	struct htab_link *link;
	size_t cursor = 0;

	if (!c->kept.buckets)
		return;
	while ((link = htab_walk(&c->kept, &cursor, NULL))) {
		htab_remove(&c->kept, link);
		free(container_of(link, struct kept_error, link));
		cursor--; /* the rest of the chain */
	}
	htab_fini(&c->kept);
}
