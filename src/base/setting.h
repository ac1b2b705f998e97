/* SPDX-License-Identifier: MIT */
/*
 * Settings as tables: what may be set, within which range, what it is when
 * nobody sets it, and what it means. One table serves the reader of the
 * configuration file, its error messages, `herald check-config` and the table
 * in docs/NFS.md; each part of the server has the table of what is its own.
 *
 * A row sets one member of a plain struct. This file reads values from text;
 * it knows nothing of files and their format.
 */
#ifndef BASE_SETTING_H
#define BASE_SETTING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum setting_type {
	SETTING_BOOL,     /* bool: true, yes, on; false, no, off */
	SETTING_NUMBER,   /* uint64_t */
	SETTING_DURATION, /* uint64_t, in milliseconds: 50ms, 2s, 5m, 1h */
	SETTING_SIZE,   /* uint64_t, in bytes: 512B, 64KiB, 4MiB, 1GiB, 1TiB */
	SETTING_CHOICE, /* unsigned: the index of one of the words */
	SETTING_TEXT,   /* char *, owned; never NULL */
	SETTING_LIST,   /* struct setting_list of texts; never empty */
};

/* Where something stands in the file, from 1. */
struct settings_mark {
	unsigned line, column;
};

struct setting_list {
	char **items; /* owned */
	size_t count;
	struct settings_mark mark; /* 0: not in a file */
};

struct setting {
	const char *key;
	enum setting_type type;
	size_t at;                /* of the member, in its section's struct */
	uint64_t min, max;        /* numbers, durations, sizes */
	const char *const *words; /* choices; NULL ends them */
	/*
	 * Texts, and each of a list: what is wrong with @text, as the end of
	 * "it ..."; "": it is not what is expected; or NULL.
	 */
	const char *(*fault)(const char *text);
	const char *expected; /* texts: "an address and port" */
	const char *value;    /* as one would write it; NULL: must be given */
	const char *example;  /* then one that could be */
	const char *what;     /* one line for users */
};

/* A mapping of the file: rows, and mappings within. */
struct settings {
	const char *name; /* "" at the top */
	const char *what;
	size_t size; /* of its struct */
	const struct setting *rows;
	size_t nrows;
	const struct settings_part *parts;
	size_t nparts;
};

struct settings_part {
	const struct settings *settings;
	size_t at;
	bool list; /* struct settings_items, instead of the struct itself */
};

/* Any number of mappings alike. */
struct settings_items {
	void *items; /* each as large as its settings say */
	size_t count;
	struct settings_mark *marks;
};

/*
 * Put the value of @text into the member of @row in @section, which has one
 * already. 0; -EINVAL: it is none (setting_expected() says what would be), or
 * -ENOMEM, and the member is as it was. A list becomes a list of this one.
 */
int setting_set(const struct setting *row, void *section, const char *text);

/* One more for a list, behind those it has. As setting_set(). */
int setting_append(const struct setting *row, void *section, const char *text);

/*
 * What is wrong with @text, which setting_set() refused for @row, as the end of
 * "it ...": the row's own word, or that it lacks a unit. NULL: nothing more
 * than that it is not what setting_expected() says.
 */
const char *setting_fault(const struct setting *row, const char *text);

/*
 * What @row takes: "a duration from 0ms to 10s", "recall or refuse". Always
 * terminated.
 */
void setting_expected(const struct setting *row, char *buf, size_t size);

/* The value of @row as one would write it; of a list, its first. */
void setting_format(
	const struct setting *row, const void *section, char *buf, size_t size);

/*
 * Give all of @section the values that nobody set; rows without one are empty
 * texts, lists of mappings are empty. 0 or -ENOMEM. To be freed in any case.
 */
int settings_init(const struct settings *s, void *section);
void settings_free(const struct settings *s, void *section);

/* One more in a list of mappings, initialised; NULL when out of memory. */
void *settings_add_item(const struct settings *s, struct settings_items *items,
	struct settings_mark mark);

#endif
