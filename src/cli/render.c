/* SPDX-License-Identifier: MIT */
#include "cli/render.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/utf8.h"

void render_fini(struct render *r)
{
	free(r->data);
	*r = (struct render){.data = NULL};
}

static bool grow(struct render *r, size_t need)
{
	size_t size = r->size ? r->size : 256;
	char *data;

	while (size - r->len < need)
		size *= 2;
	if (size == r->size)
		return true;
	data = realloc(r->data, size);
	if (!data) {
		r->failed = true;
		return false;
	}
	r->data = data;
	r->size = size;
	return true;
}

void render_bytes(struct render *r, const void *data, size_t len)
{
	if (len == 0 || r->failed || !grow(r, len))
		return;
	memcpy(r->data + r->len, data, len);
	r->len += len;
}

void render_str(struct render *r, const char *s)
{
	render_bytes(r, s, strlen(s));
}

static void render_hex_bytes(struct render *r, const char *at, size_t len)
{
	char hex[5];

	for (size_t i = 0; i < len; i++) {
		snprintf(hex, sizeof(hex), "\\x%02x", (unsigned char)at[i]);
		render_str(r, hex);
	}
}

static void render_escaped(struct render *r, struct name name, bool words)
{
	size_t step;

	for (size_t i = 0; i < name.len; i += step) {
		const char *at = name.data + i;
		uint32_t c = 0;

		step = utf8_next(at, name.len - i, &c);
		if (step == 0) {
			step = 1;
			render_hex_bytes(r, at, 1);
		} else if (c == '\n' || c == '\t') {
			render_str(r, c == '\n' ? "\\n" : "\\t");
		} else if (!utf8_is_harmless(c)) {
			render_hex_bytes(r, at, step);
		} else {
			if (!words && (c == ' ' || c == '\\'))
				render_str(r, "\\");
			render_bytes(r, at, step);
		}
	}
}

void render_name(struct render *r, struct name name)
{
	render_escaped(r, name, false);
}

void render_text(struct render *r, const char *text)
{
	render_escaped(r, name_from_str(text), true);
}

static void render_base64(struct render *r, struct name bytes)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "abcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.len; i += 3) {
		size_t left = bytes.len - i;
		uint32_t v = 0;
		char out[4];

		for (size_t k = 0; k < 3; k++)
			v = v << 8 |
				(k < left ? (unsigned char)bytes.data[i + k]
					  : 0);
		for (size_t k = 0; k < 4; k++)
			out[k] =
				k > left ? '=' : digits[v >> (18 - 6 * k) & 63];
		render_bytes(r, out, sizeof(out));
	}
}

/* One character inside a JSON string; what a terminal minds is escaped. */
static void render_json_char(
	struct render *r, const char *at, size_t len, uint32_t c)
{
	char escape[8];

	if (c == '"' || c == '\\') {
		render_str(r, "\\");
		render_bytes(r, at, len);
	} else if (!utf8_is_harmless(c)) { /* all are below U+10000 */
		snprintf(escape, sizeof(escape), "\\u%04x", c & 0xffff);
		render_str(r, escape);
	} else {
		render_bytes(r, at, len);
	}
}

/* True when @name was UTF-8 throughout. */
static bool render_json_string(struct render *r, struct name name)
{
	bool exact = true;
	size_t step;

	render_str(r, "\"");
	for (size_t i = 0; i < name.len; i += step) {
		const char *at = name.data + i;
		uint32_t c = 0;

		step = utf8_next(at, name.len - i, &c);
		if (step == 0) {
			step = 1;
			exact = false;
			render_str(r, "\\ufffd");
		} else {
			render_json_char(r, at, step, c);
		}
	}
	render_str(r, "\"");
	return exact;
}

void render_json_name(struct render *r, const char *key, struct name name)
{
	render_str(r, "\"");
	render_str(r, key);
	render_str(r, "\":");
	if (render_json_string(r, name))
		return;
	render_str(r, ",\"");
	render_str(r, key);
	render_str(r, "_b64\":\"");
	render_base64(r, name);
	render_str(r, "\"");
}

const char *render_event_name(enum render_event event)
{
	static const char *const names[RENDER_EVENTS] = {
		[RENDER_CREATE] = "CREATE",
		[RENDER_DELETE] = "DELETE",
		[RENDER_MOVE] = "MOVE",
		[RENDER_MODIFY] = "MODIFY",
		[RENDER_ATTRIB] = "ATTRIB",
		[RENDER_RESCAN] = "RESCAN",
	};

	return names[event];
}

static const char *type_name(enum object_type type)
{
	static const char *const names[] = {
		[OBJECT_FILE] = "file",
		[OBJECT_DIR] = "dir",
		[OBJECT_BLOCK] = "block",
		[OBJECT_CHAR] = "char",
		[OBJECT_SYMLINK] = "symlink",
		[OBJECT_SOCKET] = "socket",
		[OBJECT_FIFO] = "fifo",
	};

	if ((unsigned)type >= sizeof(names) / sizeof(names[0]))
		return NULL;
	return names[type];
}

static void render_json(struct render *r, const struct render_change *change)
{
	const char *type = type_name(change->type);

	render_str(r, "{\"event\":\"");
	render_str(r, render_event_name(change->event));
	render_str(r, "\",");
	render_json_name(r, "dir", change->dir);
	if (change->event != RENDER_RESCAN) {
		render_str(r, ",");
		render_json_name(r, "name", change->name);
	}
	if (change->event == RENDER_MOVE) {
		render_str(r, ",");
		render_json_name(r, "to", change->to);
	}
	if (type && change->event != RENDER_RESCAN) {
		render_str(r, ",\"type\":\"");
		render_str(r, type);
		render_str(r, "\"");
	}
	render_str(r, "}\n");
}

static void render_line(struct render *r, const struct render_change *change)
{
	render_name(r, change->dir);
	render_str(r, " ");
	render_str(r, render_event_name(change->event));
	if (change->event != RENDER_RESCAN) {
		render_str(r, " ");
		render_name(r, change->name);
	}
	if (change->event == RENDER_MOVE) {
		render_str(r, " ");
		render_name(r, change->to);
	}
	render_str(r, "\n");
}

void render_change(
	struct render *r, const struct render_change *change, bool json)
{
	if (json)
		render_json(r, change);
	else
		render_line(r, change);
}
