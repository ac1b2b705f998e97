/* SPDX-License-Identifier: MIT */
#include "cli/render_control.h"

#include <inttypes.h>
#include <sodium.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cleanup.h"
#include "cli/utf8.h"
#include "vocab/change.h"

/* ---- values ---- */

static json_int_t number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

/* "" when there is none. */
static const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "";
}

/* Bytes in base64; the caller frees them. NULL: none, or not base64. */
static char *decoded_at(const json_t *object, const char *key, uint32_t *len)
{
	const json_t *coded = json_object_get(object, key);
	size_t size = json_string_length(coded);
	char *bytes = size ? malloc(size) : NULL;
	size_t decoded;

	if (!bytes)
		return NULL;
	if (sodium_base642bin((unsigned char *)bytes, size,
		    json_string_value(coded), size, NULL, &decoded, NULL,
		    sodium_base64_VARIANT_ORIGINAL) == 0) {
		*len = decoded;
		return bytes;
	}
	free(bytes);
	return NULL;
}

/* The bytes at "key", or at "key_b64", as render_name() writes them. */
static void render_bytes_at(
	struct render *r, const json_t *object, const char *key)
{
	const json_t *text = json_object_get(object, key);
	scope_free char *bytes = NULL;
	struct name name = {.data = json_string_value(text),
		.len = json_string_length(text)};
	char coded[32];

	if (!name.data) {
		snprintf(coded, sizeof(coded), "%s_b64", key);
		name.data = bytes = decoded_at(object, coded, &name.len);
	}
	if (name.data)
		render_name(r, name);
	else
		render_str(r, "-");
}

/* "5s", "12m", "3h40m", "2d5h". */
static void render_age(struct render *r, json_int_t seconds)
{
	uint64_t s = seconds > 0 ? (uint64_t)seconds : 0;
	char text[48];

	if (s < 60)
		snprintf(text, sizeof(text), "%" PRIu64 "s", s);
	else if (s < 3600)
		snprintf(text, sizeof(text), "%" PRIu64 "m", s / 60);
	else if (s < 86400)
		snprintf(text, sizeof(text), "%" PRIu64 "h%02" PRIu64 "m",
			s / 3600, s / 60 % 60);
	else
		snprintf(text, sizeof(text), "%" PRIu64 "d%" PRIu64 "h",
			s / 86400, s / 3600 % 24);
	render_str(r, text);
}

static void render_number(struct render *r, json_int_t value)
{
	char text[24];

	snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, value);
	render_str(r, text);
}

/* ---- columns ---- */

/* Spaces until the cell that began at @start is @width wide, and one more. */
static void end_cell(struct render *r, size_t start, size_t width)
{
	for (size_t len = r->len - start; len < width; len++)
		render_str(r, " ");
	render_str(r, " ");
}

static void text_cell(struct render *r, const char *text, size_t width)
{
	size_t start = r->len;

	render_name(r, name_from_str(*text ? text : "-"));
	end_cell(r, start, width);
}

static void number_cell(struct render *r, json_int_t value, size_t width)
{
	char text[24];
	int len = snprintf(text, sizeof(text), "%" JSON_INTEGER_FORMAT, value);

	for (; (size_t)len < width; len++)
		render_str(r, " ");
	render_str(r, text);
	render_str(r, " ");
}

static void age_cell(struct render *r, json_int_t seconds, size_t width)
{
	size_t start = r->len;

	render_age(r, seconds);
	end_cell(r, start, width);
}

/* ---- clients ---- */

void render_clients_head(struct render *r)
{
	render_str(r,
		"CLIENT            ADDRESS               STATE   CHANNEL "
		"SILENT "
		"SESSIONS   OPENS DIRDELEGS REVOKED OWNER\n");
}

void render_client(struct render *r, const json_t *object)
{
	text_cell(r, text_at(object, "client"), 17);
	text_cell(r, text_at(object, "address"), 21);
	text_cell(r, text_at(object, "state"), 7);
	text_cell(r, text_at(object, "backchannel"), 7);
	age_cell(r, number_at(object, "silent_s"), 6);
	number_cell(r, number_at(object, "sessions"), 8);
	number_cell(r, number_at(object, "opens"), 7);
	number_cell(r, number_at(object, "directory_delegations"), 9);
	number_cell(r, number_at(object, "revoked"), 7);
	render_bytes_at(r, object, "owner");
	render_str(r, "\n");
}

/* ---- delegations ---- */

void render_delegations_head(struct render *r)
{
	render_str(r,
		"DELEGATION               ADDRESS               TYPE      STATE"
		"               AGE    QUEUED KINDS                      "
		"PATH                     OWNER\n");
}

/* "active", "recalled:conflict". */
static void state_cell(struct render *r, const json_t *object, size_t width)
{
	const char *reason = text_at(object, "reason");
	size_t start = r->len;

	render_text(r, text_at(object, "state"));
	render_str(r, *reason ? ":" : "");
	render_text(r, reason);
	end_cell(r, start, width);
}

/*
 * "add,remove"; "-" for one that is only recalled. All the kinds there are have
 * too many names for a column.
 */
static void kinds_cell(struct render *r, const json_t *object, size_t width)
{
	const json_t *kinds = json_object_get(object, "kinds");
	size_t start = r->len, n = json_array_size(kinds);

	if (n == CHANGE_KINDS)
		render_str(r, "all");
	for (size_t i = 0; i < n && n < CHANGE_KINDS; i++) {
		const char *kind = json_string_value(json_array_get(kinds, i));
		const char *end = kind ? strstr(kind, "_entry") : NULL;

		render_str(r, i ? "," : "");
		if (end)
			render_bytes(r, kind, (size_t)(end - kind));
		else if (kind)
			render_text(r, kind);
	}
	if (r->len == start)
		render_str(r, "-");
	end_cell(r, start, width);
}

void render_delegation(struct render *r, const json_t *object)
{
	bool has_path = json_object_get(object, "path") ||
		json_object_get(object, "path_b64");
	size_t start;

	text_cell(r, text_at(object, "delegation"), 24);
	text_cell(r, text_at(object, "address"), 21);
	text_cell(r, text_at(object, "type"), 9);
	state_cell(r, object, 19);
	age_cell(r, number_at(object, "age_s"), 6);
	number_cell(r, number_at(object, "queued"), 6);
	kinds_cell(r, object, 26);
	start = r->len;
	render_str(r, has_path ? "" : "handle:");
	render_bytes_at(r, object, has_path ? "path" : "filehandle");
	end_cell(r, start, 24);
	render_bytes_at(r, object, "owner");
	render_str(r, "\n");
}

/* ---- recall ---- */

void render_recall(struct render *r, const json_t *object)
{
	json_int_t n = number_at(object, "recalled");

	render_number(r, n);
	render_str(r,
		n == 1 ? " delegation recalled\n" : " delegations recalled\n");
}

/* ---- status ---- */

static void begin_line(struct render *r, const char *title)
{
	char text[32];

	snprintf(text, sizeof(text), "%-15s", title);
	render_str(r, text);
}

/* "12 (conflict 10, admin 2)"; "0". */
static void render_sum(struct render *r, const json_t *parts)
{
	const char *key, *before = " (";
	json_int_t sum = 0;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)parts, key, value) sum +=
		json_integer_value(value);
	render_number(r, sum);
	json_object_foreach((json_t *)(uintptr_t)parts, key, value)
	{
		render_str(r, before);
		render_text(r, key);
		render_str(r, " ");
		render_number(r, json_integer_value(value));
		before = ", ";
	}
	if (*before == ',')
		render_str(r, ")");
}

static void sum_line(struct render *r, const char *title, const json_t *parts)
{
	begin_line(r, title);
	render_sum(r, parts);
	render_str(r, "\n");
}

static void number_line(struct render *r, const char *title, json_int_t value)
{
	begin_line(r, title);
	render_number(r, value);
	render_str(r, "\n");
}

static void render_exports(struct render *r, const json_t *exports)
{
	for (size_t i = 0; i < json_array_size(exports); i++) {
		const json_t *export = json_array_get(exports, i);

		begin_line(r, i ? "" : "exports");
		render_bytes_at(r, export, "path");
		if (json_is_true(json_object_get(export, "read_only")))
			render_str(r, " (read-only)");
		render_str(r, "\n");
	}
}

static void render_server(struct render *r, const json_t *o)
{
	begin_line(r, "heraldd");
	render_text(r, text_at(o, "version"));
	render_str(r, ", pid ");
	render_number(r, number_at(o, "pid"));
	render_str(r, ", up ");
	render_age(r, number_at(o, "uptime_s"));
	render_str(r,
		json_is_true(json_object_get(o, "grace")) ? ", in grace\n"
							  : "\n");
	begin_line(r, "address");
	render_text(r, text_at(o, "address"));
	render_str(r, ", lease ");
	render_number(r, number_at(o, "lease_s"));
	render_str(r, " s\n");
	render_exports(r, json_object_get(o, "exports"));
}

static void render_load(struct render *r, const json_t *o)
{
	number_line(r, "clients", number_at(o, "clients"));
	number_line(r, "sessions", number_at(o, "sessions"));
	number_line(r, "connections", number_at(o, "connections"));
	number_line(r, "threads", number_at(o, "threads"));
	number_line(r, "open files", number_at(o, "opens"));
	number_line(r, "locked ranges", number_at(o, "lock_ranges"));
}

static void render_type(struct render *r, const char *type, const json_t *o)
{
	char title[32];

	snprintf(title, sizeof(title), "%.16s", type);
	begin_line(r, title);
	render_number(r, number_at(o, "outstanding"));
	render_str(r, " of ");
	render_number(r, number_at(o, "limit"));
	render_str(r, " delegations, ");
	render_number(r, number_at(o, "being_recalled"));
	render_str(r, " being recalled\n");
	number_line(r, "  granted", number_at(o, "granted"));
	sum_line(r, "  refused", json_object_get(o, "refused"));
	sum_line(r, "  recalled", json_object_get(o, "recalled"));
	number_line(r, "  revoked", number_at(o, "revoked"));
}

static void render_off(struct render *r, const char *type)
{
	begin_line(r, type);
	render_str(r, "no delegations: they are switched off\n");
}

/* A type without a limit does not exist, or is switched off. */
static void render_types(struct render *r, const json_t *types)
{
	const char *type;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)types, type, value)
	{
		if (number_at(value, "limit"))
			render_type(r, type, value);
		else if (strcmp(type, "directory") == 0)
			render_off(r, type);
	}
}

/* "640 bytes", "4.3 KiB". */
static void render_size(struct render *r, json_int_t bytes)
{
	static const char *const units[] = {"KiB", "MiB", "GiB", "TiB"};
	double size = (double)bytes / 1024;
	char text[64];
	size_t i;

	for (i = 0; size >= 1024 && i + 1 < 4; i++)
		size /= 1024;
	if (bytes < 1024)
		snprintf(text, sizeof(text), "%lld bytes", (long long)bytes);
	else
		snprintf(text, sizeof(text), "%.1f %s", size, units[i]);
	render_str(r, text);
}

/* An older server says nothing of it. */
static void render_memory(struct render *r, const json_t *o)
{
	if (!o)
		return;
	begin_line(r, "  memory");
	render_size(r, number_at(o, "bytes"));
	render_str(r, " of ");
	render_size(r, number_at(o, "limit_bytes"));
	render_str(r, "\n");
}

static void render_notifications(struct render *r, const json_t *o)
{
	begin_line(r, "notifications");
	render_number(r, number_at(o, "batches"));
	render_str(r, " sent, ");
	render_size(r, number_at(o, "queue_bytes"));
	render_str(r, " waiting\n");
	sum_line(r, "  queued", json_object_get(o, "queued"));
	sum_line(r, "  delivered", json_object_get(o, "delivered"));
	sum_line(r, "  overflows", json_object_get(o, "overflows"));
}

void render_status(struct render *r, const json_t *object)
{
	render_server(r, object);
	render_load(r, object);
	render_types(r, json_object_get(object, "delegations"));
	render_memory(r, json_object_get(object, "delegation_memory"));
	render_notifications(r, json_object_get(object, "notifications"));
}

/* ---- JSON ---- */

/* As render.h does with names: U+FFFD for each byte that is no UTF-8. */
static json_t *lossy(const char *bytes, size_t len)
{
	struct render text = {.data = NULL};
	json_t *string;
	uint32_t c;

	for (size_t i = 0, step; i < len; i += step) {
		step = utf8_next(bytes + i, len - i, &c);
		render_bytes(&text, step ? bytes + i : "\xef\xbf\xbd",
			step ? step : 3);
		step += step == 0;
	}
	string = json_stringn(text.data, text.len);
	render_fini(&text);
	return string;
}

void render_complete_json(json_t *object)
{
	static const char *const keys[][2] = {
		{"owner", "owner_b64"}, {"path", "path_b64"}};

	for (size_t i = 0; i < 2; i++) {
		uint32_t len;
		scope_free char *bytes = decoded_at(object, keys[i][1], &len);

		if (bytes)
			json_object_set_new(
				object, keys[i][0], lossy(bytes, len));
	}
}
