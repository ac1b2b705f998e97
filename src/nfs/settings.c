/* SPDX-License-Identifier: MIT */
#include "nfs/settings.h"

#include "nfs/server.h"

#define MS_PER_SECOND 1000
#define MS_PER_HOUR   (60 * 60 * 1000)
#define KIB           (UINT64_C(1) << 10)
#define MIB           (UINT64_C(1) << 20)
#define GIB           (UINT64_C(1) << 30)

static const char *const at_limit_words[] = {
	[AT_LIMIT_RECALL] = "recall", [AT_LIMIT_REFUSE] = "refuse", NULL};

static const char *const classic_words[] = {
	[CLASSIC_NOTIFY] = "notify", [CLASSIC_RECALL] = "recall", NULL};

#define AT(member) .at = offsetof(struct dirdeleg_settings, member)

static const struct setting dirdeleg_rows[] = {
	{"enabled", SETTING_BOOL, AT(enabled), .value = "true",
		.what = "Grant directory delegations at all. Without, clients "
			"are told that the operation is not supported."},
	{"batch_window", SETTING_DURATION, AT(batch_window), 0,
		10 * MS_PER_SECOND, .value = "50ms",
		.what = "Changes of a directory wait this long for more to go "
			"with them in one CB_NOTIFY; 0 sends each at once."},
	{"max", SETTING_NUMBER, AT(max), 1, 16777216, .value = "100000",
		.what = "The most directory delegations of all clients. From "
			"90 % on, clients are asked to give some back."},
	{"max_per_client", SETTING_NUMBER, AT(max_per_client), 0, 16777216,
		.value = "0",
		.what = "The most of one client; near it, it is asked to give "
			"some back. 0: as many as it gets of `max`."},
	{"memory", SETTING_SIZE, AT(memory), MIB, 1024 * GIB, .value = "1GiB",
		.what = "The most memory for them: what holders were told of "
			"directories, changes that wait, and delegations "
			"themselves. From 90 % on, clients are asked to give "
			"some back."},
	{"at_limit", SETTING_CHOICE, AT(at_limit), .words = at_limit_words,
		.value = "recall",
		.what = "When all of `max` are out or `memory` is used up, "
			"recall the oldest of the client that has most, or "
			"only refuse whoever asks."},
	{"queue_events", SETTING_NUMBER, AT(queue_events), 1, 1048576,
		.value = "16384",
		.what = "The most changes that wait for delivery to one "
			"holder; one more recalls its delegation."},
	{"queue_bytes", SETTING_SIZE, AT(queue_bytes), 16 * KIB, GIB,
		.value = "4MiB", .what = "Likewise, by the memory they take."},
	{"classic_clients", SETTING_CHOICE, AT(classic_clients),
		.words = classic_words, .value = "notify",
		.what = "Clients that ask as in RFC 8881 alone, without the "
			"flags of rfc8881bis: notify them, or grant them "
			"delegations that are only recalled."},
	{"damping", SETTING_DURATION, AT(damping), 0, MS_PER_HOUR,
		.value = "500ms",
		.what = "A directory whose delegation was in the way of a "
			"change is not granted for this long, and twice as "
			"long each time; 0: at once."},
	{"damping_max", SETTING_DURATION, AT(damping_max), 0, MS_PER_HOUR,
		.value = "30s", .what = "The longest that `damping` grows to."},
	{"recall_wait", SETTING_DURATION, AT(recall_wait), 0,
		10 * MS_PER_SECOND, .value = "30ms",
		.what = "A change waits this long for recalled delegations "
			"before its client is told to come again."},
	{"told_max_entries", SETTING_NUMBER, AT(told_max_entries), 0, 16777216,
		.value = "10000",
		.what = "Larger directories are granted without changes of "
			"their entries' attributes."},
	{"child_attr_min_delay", SETTING_DURATION, AT(child_attr_min_delay), 0,
		MS_PER_HOUR, .value = "200ms",
		.what = "Changes of one entry's attributes are gathered at "
			"least this long, or as much longer as the client "
			"wants, and told once."},
	{"strict_destroy_clientid", SETTING_BOOL, AT(strict_destroy_clientid),
		.value = "false",
		.what = "Refuse DESTROY_CLIENTID also to a client that holds "
			"nothing but directory delegations (RFC 8881 18.50.3 "
			"to the letter)."},
};

static const struct settings dirdeleg_settings = {
	.name = "directory_delegations",
	.what = "Directory delegations and their notifications.",
	.size = sizeof(struct dirdeleg_settings),
	.rows = dirdeleg_rows,
	.nrows = sizeof(dirdeleg_rows) / sizeof(dirdeleg_rows[0]),
};

static const struct settings_part nfs_parts[] = {
	{&dirdeleg_settings,
		offsetof(struct nfs_settings, directory_delegations), false},
};

const struct settings nfs_settings_table = {
	.name = "nfs",
	.what = "The NFS protocol.",
	.size = sizeof(struct nfs_settings),
	.parts = nfs_parts,
	.nparts = sizeof(nfs_parts) / sizeof(nfs_parts[0]),
};

void nfs_settings_apply(
	const struct nfs_settings *settings, struct nfs_server_config *config)
{
	const struct dirdeleg_settings *d = &settings->directory_delegations;
	struct state_config *state = &config->state;

	state->dir_delegations = d->enabled;
	state->notify_window_ms = d->batch_window;
	state->max_dir_delegs = d->max;
	state->max_client_dir_delegs = d->max_per_client;
	state->max_deleg_bytes = d->memory;
	state->refuse_at_limit = d->at_limit == AT_LIMIT_REFUSE;
	state->notify_max_events = d->queue_events;
	state->notify_max_bytes = d->queue_bytes;
	state->classic_notify = d->classic_clients == CLASSIC_NOTIFY;
	state->damping_ms = d->damping;
	state->damping_max_ms = d->damping_max;
	state->recall_wait_ms = d->recall_wait;
	state->told_max_entries = d->told_max_entries;
	state->child_attr_min_delay_ms = d->child_attr_min_delay;
	state->strict_destroy_clientid = d->strict_destroy_clientid;
}
