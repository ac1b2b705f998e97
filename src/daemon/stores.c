/* SPDX-License-Identifier: MIT */
#include "daemon/stores.h"

#include <errno.h>
#include <stdlib.h>

#include "base/log.h"

#define WHY_SIZE 256

static int open_store(struct stores *s, const struct export_settings *e,
	const struct posix_options *common)
{
	struct posix_options options = *common;
	char why[WHY_SIZE] = "";
	struct store *store;

	s->exports[s->count] = config_export_options(e);
	options.path = e->path;
	options.read_only = s->exports[s->count].read_only;
	store = posix_new(&options, why, sizeof(why));
	if (!store) {
		log_error("cannot export path=%s: %s", e->path, why);
		return -EINVAL;
	}
	s->exports[s->count].store = store;
	s->list[s->count++] = store;
	log_info("exporting path=%s pseudo=%s", e->path, e->pseudo);
	return 0;
}

int stores_init(struct stores *s, const struct config *config,
	struct clock *clock, struct dirindex *index, unsigned max_fds)
{
	size_t count = config->exports.count;
	struct posix_options common = {.clock = clock,
		.index = index,
		.max_fds = max_fds / (count ? count : 1)};
	int err = 0;

	*s = (struct stores){.pins = posix_pins_new()};
	s->list = calloc(count, sizeof(struct store *));
	s->exports = calloc(count, sizeof(struct export));
	if (!s->pins || !s->list || !s->exports)
		return -ENOMEM;
	common.pins = s->pins;
	for (size_t i = 0; i < count && err == 0; i++)
		err = open_store(s, config_export(config, i), &common);
	return err;
}

void stores_fini(struct stores *s)
{
	for (size_t i = 0; i < s->count; i++)
		store_free(s->list[i]);
	free(s->list);
	free(s->exports);
	posix_pins_free(s->pins);
}

void stores_trim(struct stores *s, uint64_t idle_ms)
{
	for (size_t i = 0; i < s->count; i++)
		posix_trim(s->list[i], idle_ms);
}
