/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer: the configuration file. What is read without a mistake makes
 * exports that a server would take, and every mistake has its line.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/config.h"
#include "nfs/server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool ok)
{
	if (!ok)
		abort();
}

static void check_line(void *ctx, const char *line)
{
	unsigned at, column;

	require(sscanf(line, "F:%u:%u: ", &at, &column) == 2);
	require(at > 0 && column > 0);
	require(!strchr(line, '\n'));
}

static void use(const struct config *config)
{
	struct nfs_server_config server;

	nfs_server_config_default(&server, NULL, NULL);
	nfs_settings_apply(&config->nfs, &server);
	require(config->exports.count > 0);
	require(config->server.listen.count > 0);
	for (size_t i = 0; i < config->exports.count; i++) {
		const struct export_settings *e = config_export(config, i);
		struct export export = config_export_options(e);

		require(e->path[0] == '/');
		require(!export_path_fault(export.path));
		for (size_t k = 0; k < i; k++)
			require(!export_paths_clash(
				export.path, config_export(config, k)->pseudo));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_errors errors = {.file = "F", .tell = check_line};
	struct config config;

	require(config_init(&config) == 0);
	require(config_parse(&config, (const char *)data, size, &errors) == 0);
	if (errors.count == 0)
		use(&config);
	config_free(&config);
	return 0;
}
