/* SPDX-License-Identifier: MIT */
/*
 * Everything that may be set, from a file or on the command line: the server
 * as a whole, its exports, and what each floor has of its own.
 */
#ifndef DAEMON_CONFIG_H
#define DAEMON_CONFIG_H

#include <stdint.h>

#include "base/setting.h"
#include "daemon/config_file.h"
#include "nfs/export.h"
#include "nfs/settings.h"

struct server_settings {
	struct setting_list listen;
	char *state_dir;
	uint64_t lease; /* ms */
	char *metrics;  /* an address, or "off" */
	uint64_t max_connections;
	uint64_t threads;
	uint64_t listing_cache; /* bytes */
};

struct export_settings {
	char *path;
	char *pseudo;
	struct setting_list options;
	bool local_changes;
};

struct config {
	struct server_settings server;
	struct settings_items exports; /* struct export_settings */
	struct nfs_settings nfs;
};

extern const struct settings config_table;

/* The section `server`, for options of the command line. */
extern const struct settings server_table;

/* Defaults, and no export. 0 or -ENOMEM; to be freed in any case. */
int config_init(struct config *config);
void config_free(struct config *config);

/*
 * What the file errors->file says, on top of what @config has, checked as a
 * whole. 0 or -ENOMEM; mistakes are in @errors.
 */
int config_read(struct config *config, struct config_errors *errors);

/* The same from a text. */
int config_parse(struct config *config, const char *text, size_t len,
	struct config_errors *errors);

/* Export @i; the strings stay the config's. */
const struct export_settings *config_export(
	const struct config *config, size_t i);

/* One more export, of @path at "/", or NULL when out of memory. */
struct export_settings *config_add_export(
	struct config *config, const char *path);

/* An option more, for an export of the command line. As setting_append(). */
int config_set_option(struct export_settings *e, const char *word);

/* Whether others of this host change it, too: "on" or "off", else -EINVAL. */
int config_set_local_changes(struct export_settings *e, const char *text);

/* Its path and options as the server wants them; no store yet. */
struct export config_export_options(const struct export_settings *e);

/* Words of exports(5) that an export may have, for documentation. */
struct export_word {
	const char *word; /* "ro", or "anonuid" which takes "=NUMBER" */
	size_t at;        /* of the member of struct export */
	enum { EXPORT_SET, EXPORT_CLEAR, EXPORT_ID } how;
	const char *what;
};
extern const struct export_word export_words[];
extern const size_t export_words_count;

#endif
