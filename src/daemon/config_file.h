/* SPDX-License-Identifier: MIT */
/*
 * Settings from a YAML file: any tree of mappings that base/setting.h
 * describes. Every mistake is told with file, line and column and with what
 * was expected there; reading goes on after one, to tell them all at once.
 */
#ifndef DAEMON_CONFIG_FILE_H
#define DAEMON_CONFIG_FILE_H

#include "base/setting.h"

/* A larger file is none of ours. */
#define CONFIG_FILE_MAX (1u << 20)

/* No more are told than this. */
#define CONFIG_ERRORS_MAX 20

/* Where mistakes are told: a line each, without a newline. */
struct config_errors {
	const char *file; /* its name, as it shall be told */
	void (*tell)(void *ctx, const char *line);
	void *ctx;
	unsigned count; /* all of them, also those not told */
};

void config_error(struct config_errors *errors, struct settings_mark mark,
	const char *format, ...) __attribute__((format(printf, 3, 4)));

/*
 * Set in @section, which was initialised, what @text (of @len bytes) says. 0,
 * also after mistakes; -ENOMEM.
 */
int config_file_parse(const char *text, size_t len, const struct settings *s,
	void *section, struct config_errors *errors);

/* The same from the file errors->file. A file that cannot be read is an error
 * told without a line. */
int config_file_read(
	const struct settings *s, void *section, struct config_errors *errors);

#endif
