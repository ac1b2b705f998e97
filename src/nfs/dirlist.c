/* SPDX-License-Identifier: MIT */
#include "nfs/dirlist.h"

#include <errno.h>

struct listing {
	bool (*each)(void *ctx, struct name name, uint64_t cookie);
	void *ctx;
	uint64_t last; /* cookie */
	bool stopped;
};

static bool list_name(void *ctx, struct name name, uint64_t cookie)
{
	struct listing *l = ctx;

	l->last = cookie;
	l->stopped = !l->each(l->ctx, name, cookie);
	return !l->stopped;
}

int dirlist_all(struct store *store, const struct cred *cred,
	const struct fileid *dir,
	bool (*each)(void *ctx, struct name name, uint64_t cookie), void *ctx,
	uint64_t *verifier)
{
	struct listing l = {.each = each, .ctx = ctx};
	struct store_page page = {.eof = false};

	while (!page.eof) {
		uint64_t from = l.last;
		int err = store_readdir(store, cred, dir, from, page.verifier,
			list_name, &l, &page);

		if (err || l.stopped)
			return err ? err : -ECANCELED;
		if (!page.eof && l.last == from)
			return -EAGAIN; /* cut short, and so are we */
	}
	if (verifier)
		*verifier = page.verifier;
	return 0;
}
