/* SPDX-License-Identifier: MIT */
/* The stores behind the exports: one for each, over its directory. */
#ifndef DAEMON_STORES_H
#define DAEMON_STORES_H

#include <stddef.h>

#include "base/clock.h"
#include "daemon/config.h"
#include "nfs/export.h"
#include "store/dirindex.h"
#include "store/posix.h"

struct stores {
	struct posix_pins *pins;
	struct store **list;
	struct export *exports; /* the same in order, for nfs_server_start() */
	size_t count;
};

/*
 * Open all of them, with @max_fds descriptors to share. 0, or -errno after the
 * reason was logged. stores_fini() in any case, after the server.
 */
int stores_init(struct stores *s, const struct config *config,
	struct clock *clock, struct dirindex *index, unsigned max_fds);
void stores_fini(struct stores *s);

/* posix_trim() of each. */
void stores_trim(struct stores *s, uint64_t idle_ms);

#endif
