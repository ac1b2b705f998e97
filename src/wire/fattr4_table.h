/* SPDX-License-Identifier: MIT */
/* The rows behind wire/fattr4.h; for its own files only. */
#ifndef WIRE_FATTR4_TABLE_H
#define WIRE_FATTR4_TABLE_H

#include "wire/fattr4.h"

enum fattr4_row_flags {
	ROW_READ = 1 << 0,
	ROW_WRITE = 1 << 1,
	ROW_FSINFO = 1 << 2,        /* read from src->fsinfo */
	ROW_ANYWAY = 1 << 3,        /* can be told without src->attr */
	ROW_CHILD = 1 << 4,         /* may be reported of a child */
	ROW_DIR = 1 << 5,           /* may be reported of a directory */
	ROW_EXCLUSIVE = 1 << 6,     /* may be set by EXCLUSIVE4_1 */
	ROW_NOTIFICATIONS = 1 << 7, /* only with server->notifications */
	ROW_MINOR2 = 1 << 8,        /* not in 4.1 */
};

struct fattr4_row {
	const char *name; /* NULL: no such attribute here */
	uint16_t flags;
	uint16_t size; /* bytes of a value; 0: ask size_of() */
	void (*put)(struct xdr *x, const struct fattr4_source *s);
	void (*get)(struct xdr *x, struct fattr4_values *v);
	size_t (*size_of)(const struct fattr4_source *s);
};

extern const struct fattr4_row fattr4_rows[BITMAP4_BITS];

#endif
