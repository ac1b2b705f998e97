/* SPDX-License-Identifier: MIT */
#include "daemon/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/address.h"

#define MS_PER_SECOND 1000
#define MIB           (UINT64_C(1) << 20)

/* ---- what texts must be ---- */

static const char *path_fault(const char *text)
{
	return text[0] == '/' ? NULL : "does not begin with \"/\"";
}

static const char *listen_fault(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t len;

	return address_parse(text, &addr, &len) ? NULL : "";
}

static const char *metrics_fault(const char *text)
{
	struct sockaddr_storage addr;
	socklen_t len;

	return strcmp(text, "off") == 0 ||
			address_parse_local(text, &addr, &len)
		? NULL
		: "";
}

/* ---- options of exports ---- */

#define WORD(word_, how_, member, what_)                            \
	{                                                           \
		word_, offsetof(struct export, member), how_, what_ \
	}

const struct export_word export_words[] = {
	WORD("rw", EXPORT_CLEAR, read_only, "Clients may change files."),
	WORD("ro", EXPORT_SET, read_only, "They may not."),
	WORD("root_squash", EXPORT_SET, root_squash,
		"Root of a client acts as the anonymous user."),
	WORD("no_root_squash", EXPORT_CLEAR, root_squash,
		"Root of a client is root here."),
	WORD("all_squash", EXPORT_SET, all_squash,
		"Everybody acts as the anonymous user."),
	WORD("no_all_squash", EXPORT_CLEAR, all_squash,
		"Users keep their numbers."),
	WORD("anonuid", EXPORT_ID, anon_uid,
		"The anonymous user's number; 65534 unless said."),
	WORD("anongid", EXPORT_ID, anon_gid,
		"The anonymous user's group; 65534 unless said."),
};

const size_t export_words_count =
	sizeof(export_words) / sizeof(export_words[0]);

static bool parse_id(const char *text, uint32_t *ret)
{
	const struct setting row = {"", SETTING_NUMBER, .max = UINT32_MAX - 1};
	uint64_t value;

	if (setting_set(&row, &value, text) < 0)
		return false;
	*ret = value;
	return true;
}

/* The word that @option is, with what stands behind its "=". */
static const struct export_word *find_word(const char *option, uint32_t *id)
{
	size_t len = strcspn(option, "=");

	for (size_t i = 0; i < export_words_count; i++) {
		const struct export_word *w = &export_words[i];

		if (strlen(w->word) != len || strncmp(w->word, option, len))
			continue;
		if (w->how != EXPORT_ID)
			return option[len] == '\0' ? w : NULL;
		return option[len] == '=' && parse_id(option + len + 1, id)
			? w
			: NULL;
	}
	return NULL;
}

static const char *option_fault(const char *text)
{
	uint32_t id;

	return find_word(text, &id) ? NULL : "is no option";
}

static void apply_word(
	const struct export_word *w, uint32_t id, struct export *e)
{
	void *at = (char *)e + w->at;

	if (w->how == EXPORT_ID)
		*(uint32_t *)at = id;
	else
		*(bool *)at = w->how == EXPORT_SET;
}

struct export config_export_options(const struct export_settings *e)
{
	struct export ret = export_default();

	ret.path = e->pseudo;
	ret.local_changes = e->local_changes;
	for (size_t i = 0; i < e->options.count; i++) {
		uint32_t id = 0;
		const struct export_word *w =
			find_word(e->options.items[i], &id);

		if (w)
			apply_word(w, id, &ret);
	}
	return ret;
}

/* ---- the tables ---- */

#define SERVER(member) .at = offsetof(struct server_settings, member)

static const struct setting server_rows[] = {
	{"listen", SETTING_LIST, SERVER(listen), .fault = listen_fault,
		.expected = "a numeric address and port, as in 127.0.0.1:2049 "
			    "or \"[::1]:2049\"",
		.value = "127.0.0.1:2049",
		.what = "Where to listen; a list for several."},
	{"state_dir", SETTING_TEXT, SERVER(state_dir), .fault = path_fault,
		.expected = "an absolute path", .value = "/var/lib/herald",
		.what = "What must survive a restart; one per server, never a "
			"copy."},
	{"lease", SETTING_DURATION, SERVER(lease), 5 * MS_PER_SECOND,
		3600 * MS_PER_SECOND, .value = "90s",
		.what = "A client not heard of for so long loses what others "
			"need; a recalled delegation is revoked after it."},
	{"metrics", SETTING_TEXT, SERVER(metrics), .fault = metrics_fault,
		.expected = "off, a port, or a numeric address and port",
		.value = "off",
		.what = "Metrics for Prometheus by HTTP; a port alone is one "
			"of this host's loopback."},
	{"max_connections", SETTING_NUMBER, SERVER(max_connections), 1, 1000000,
		.value = "10000",
		.what = "Further connections are closed at once."},
	{"threads", SETTING_NUMBER, SERVER(threads), 16, 4096, .value = "256",
		.what = "The most worker threads; they are started as disks "
			"block."},
	{"listing_cache", SETTING_SIZE, SERVER(listing_cache), 1 * MIB,
		1048576 * MIB, .value = "256MiB",
		.what = "Memory for sorted listings of directories."},
};

const struct settings server_table = {
	.name = "server",
	.what = "The server as a whole.",
	.size = sizeof(struct server_settings),
	.rows = server_rows,
	.nrows = sizeof(server_rows) / sizeof(server_rows[0]),
};

#define EXPORT(member) .at = offsetof(struct export_settings, member)

static const struct setting export_rows[] = {
	{"path", SETTING_TEXT, EXPORT(path), .fault = path_fault,
		.expected = "the absolute path of a directory",
		.example = "/srv/share",
		.what = "The directory of the host to serve."},
	{"pseudo", SETTING_TEXT, EXPORT(pseudo), .fault = export_path_fault,
		.expected = "a path such as / or /media", .value = "/",
		.what = "Where clients find it: HOST:/media. A single export "
			"may be the root; several need paths that do not lie "
			"below one another."},
	{"options", SETTING_LIST, EXPORT(options), .fault = option_fault,
		.expected = "rw, ro, root_squash, no_root_squash, all_squash, "
			    "no_all_squash, anonuid=NUMBER or anongid=NUMBER",
		.value = "rw", .what = "Options with names of exports(5)."},
	{"local_changes", SETTING_BOOL, EXPORT(local_changes), .value = "on",
		.what = "Programs of this host change files there, too, and "
			"clients are to hear of it. Off: trust that nobody "
			"does, and watch nothing."},
};

static const struct settings export_table = {
	.name = "exports",
	.what = "The directories that are served; one at least.",
	.size = sizeof(struct export_settings),
	.rows = export_rows,
	.nrows = sizeof(export_rows) / sizeof(export_rows[0]),
};

static const struct settings_part config_parts[] = {
	{&server_table, offsetof(struct config, server), false},
	{&export_table, offsetof(struct config, exports), true},
	{&nfs_settings_table, offsetof(struct config, nfs), false},
};

const struct settings config_table = {
	.name = "",
	.size = sizeof(struct config),
	.parts = config_parts,
	.nparts = sizeof(config_parts) / sizeof(config_parts[0]),
};

/* ---- what must go together ---- */

static void check_options(
	const struct config *config, size_t k, struct config_errors *errors)
{
	const struct setting_list *o = &config_export(config, k)->options;

	for (size_t i = 1; i < o->count; i++) {
		for (size_t j = 0; j < i; j++) {
			uint32_t id;
			const struct export_word *a = find_word(
							 o->items[i], &id),
						 *b = find_word(
							 o->items[j], &id);

			if (!a || !b || a->at != b->at)
				continue;
			config_error(errors, o->mark,
				"exports[%zu].options: \"%s\" and \"%s\": "
				"expected one of them",
				k, o->items[j], o->items[i]);
		}
	}
}

static void check_clash(
	const struct config *config, size_t k, struct config_errors *errors)
{
	const char *path = config_export(config, k)->pseudo;

	for (size_t i = 0; i < k; i++) {
		const char *other = config_export(config, i)->pseudo;

		if (!export_paths_clash(path, other))
			continue;
		config_error(errors, config->exports.marks[k],
			"exports[%zu].pseudo: \"%s\" and \"%s\" of exports[%zu]"
			" (line %u): expected paths that do not lie below one "
			"another",
			k, path, other, i, config->exports.marks[i].line);
		return;
	}
}

static void check(const struct config *config, struct config_errors *errors)
{
	const struct settings_mark top = {1, 1};
	size_t count = config->exports.count;

	if (count == 0)
		config_error(errors, top,
			"exports is missing: expected a list of at least one");
	if (count > EXPORTS_MAX) {
		config_error(errors, config->exports.marks[EXPORTS_MAX],
			"exports: %zu are too many: expected %d at most", count,
			EXPORTS_MAX);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		check_options(config, i, errors);
		check_clash(config, i, errors);
	}
}

int config_init(struct config *config)
{
	return settings_init(&config_table, config);
}

void config_free(struct config *config)
{
	settings_free(&config_table, config);
}

int config_read(struct config *config, struct config_errors *errors)
{
	int err = config_file_read(&config_table, config, errors);

	if (err == 0 && errors->count == 0)
		check(config, errors);
	return err;
}

int config_parse(struct config *config, const char *text, size_t len,
	struct config_errors *errors)
{
	int err = config_file_parse(text, len, &config_table, config, errors);

	if (err == 0 && errors->count == 0)
		check(config, errors);
	return err;
}

const struct export_settings *config_export(
	const struct config *config, size_t i)
{
	return (const struct export_settings *)config->exports.items + i;
}

struct export_settings *config_add_export(
	struct config *config, const char *path)
{
	struct export_settings *e = settings_add_item(&export_table,
		&config->exports, (struct settings_mark){.line = 0});
	char *copy = strdup(path);

	if (!e || !copy) {
		free(copy);
		return NULL;
	}
	free(e->path);
	e->path = copy;
	return e;
}

static const struct setting *export_row(const char *key)
{
	for (size_t i = 0; i < export_table.nrows; i++) {
		if (strcmp(export_table.rows[i].key, key) == 0)
			return &export_table.rows[i];
	}
	abort();
}

int config_set_option(struct export_settings *e, const char *word)
{
	return setting_append(export_row("options"), e, word);
}

int config_set_local_changes(struct export_settings *e, const char *text)
{
	return setting_set(export_row("local_changes"), e, text);
}
