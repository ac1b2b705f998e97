/* SPDX-License-Identifier: MIT */
/*
 * What the administrator may set of this floor: the section `nfs` of the
 * configuration file (base/setting.h). Durations are in milliseconds.
 */
#ifndef NFS_SETTINGS_H
#define NFS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/setting.h"

struct nfs_server_config;

enum at_limit { AT_LIMIT_RECALL, AT_LIMIT_REFUSE };
enum classic_clients { CLASSIC_NOTIFY, CLASSIC_RECALL };

struct dirdeleg_settings {
	bool enabled;
	uint64_t batch_window;
	uint64_t max;
	uint64_t max_per_client; /* 0 = no limit of its own */
	uint64_t memory;         /* bytes */
	unsigned at_limit;       /* enum at_limit */
	uint64_t queue_events;
	uint64_t queue_bytes;
	unsigned classic_clients; /* enum classic_clients */
	uint64_t damping;
	uint64_t damping_max;
	uint64_t recall_wait;
	uint64_t told_max_entries;
	uint64_t child_attr_min_delay;
	bool strict_destroy_clientid;
};

struct nfs_settings {
	struct dirdeleg_settings directory_delegations;
};

extern const struct settings nfs_settings_table;

/* Put them into the configuration of a server. */
void nfs_settings_apply(
	const struct nfs_settings *settings, struct nfs_server_config *config);

#endif
