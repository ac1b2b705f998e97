/* SPDX-License-Identifier: MIT */
/*
 * How a change is written: a line of text that is safe on a terminal and can
 * be taken apart again, or a line of JSON that is exact for every name. Pure:
 * bytes in, bytes out.
 *
 * Text: DIR EVENT NAME [NEW NAME], where a backslash stands before a space and
 * a backslash, and \n, \t or \xHH (one byte each) stand for control
 * characters, for what would reorder a terminal's line and for bytes that are
 * not UTF-8.
 */
#ifndef CLI_RENDER_H
#define CLI_RENDER_H

#include <stdbool.h>
#include <stddef.h>

#include "vocab/attr.h"
#include "vocab/name.h"

/* Bytes that grow; `failed` is sticky: out of memory. */
struct render {
	char *data;
	size_t len, size;
	bool failed;
};

void render_fini(struct render *r);
void render_bytes(struct render *r, const void *data, size_t len);
void render_str(struct render *r, const char *s);

/* Words for people: as a name, but spaces and backslashes stay. */
void render_text(struct render *r, const char *text);

/* @name as text, escaped as above. */
void render_name(struct render *r, struct name name);

/*
 * "key":"value" for JSON. A @name that is not UTF-8 has U+FFFD for what is
 * wrong with it and is followed by "key_b64" with its exact bytes.
 */
void render_json_name(struct render *r, const char *key, struct name name);

enum render_event {
	RENDER_CREATE,
	RENDER_DELETE,
	RENDER_MOVE,
	RENDER_MODIFY,
	RENDER_ATTRIB,
	RENDER_RESCAN,
	RENDER_EVENTS
};

/* "CREATE" and so on. */
const char *render_event_name(enum render_event event);

/* One change to print; RESCAN has no names, only MOVE has a new name. */
struct render_change {
	enum render_event event;
	struct name dir; /* with a slash at its end */
	struct name name;
	struct name to;
	enum object_type type; /* OBJECT_NONE when not known */
};

/* One line, newline included. */
void render_change(
	struct render *r, const struct render_change *change, bool json);

#endif
