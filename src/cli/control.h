/* SPDX-License-Identifier: MIT */
/*
 * Asking a running heraldd: one request on its control socket, lines of JSON
 * back. A verb that does so is a table of what it asks and how it is printed.
 */
#ifndef CLI_CONTROL_H
#define CLI_CONTROL_H

#include <jansson.h>
#include <stdbool.h>

#include "cli/render.h"

/* Where heraldd listens when nothing else is said. */
#define CONTROL_DEFAULT "/var/lib/herald/control.sock"

/* The end of every help. */
#define CONTROL_HELP                                                \
	"      --socket PATH   heraldd's control socket (default\n" \
	"                      " CONTROL_DEFAULT ")\n"              \
	"      --json          one JSON object per line\n"          \
	"      --help\n"

#define CONTROL_VALUES 2

struct control_verb {
	const char *name;
	const char *help;
	void (*head)(struct render *r); /* before the first object; or NULL */
	void (*render)(struct render *r, const json_t *object);
	/*
	 * Options with a value, its key in the request, and what it can be:
	 * words that end with NULL, or NULL for anything.
	 */
	struct {
		const char *option, *key;
		const char *const *words;
	} values[CONTROL_VALUES];
	const char
		*operand; /* the key of an argument without option; or NULL */
	bool needs_one;   /* exactly one of all these */
};

/*
 * Read the command line, ask, and print the answer to standard output, each
 * object as it comes. An exit status; on failure the reason was printed.
 */
int control_main(const struct control_verb *verb, int argc, char **argv);

#endif
