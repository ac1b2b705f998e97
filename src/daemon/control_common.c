/* SPDX-License-Identifier: MIT */
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/control_verb.h"
#include "state/inspect.h"

/* ---- values ---- */

void control_set_bytes(
	json_t *object, const char *key, const void *data, size_t len)
{
	const int variant = sodium_base64_VARIANT_ORIGINAL;
	json_t *text = json_stringn(data, len);
	char name[32], *coded;
	size_t size;

	if (text) {
		json_object_set_new(object, key, text);
		return;
	}
	size = sodium_base64_encoded_len(len, variant);
	coded = malloc(size);
	if (!coded)
		return;
	sodium_bin2base64(coded, size, data, len, variant);
	snprintf(name, sizeof(name), "%s_b64", key);
	json_object_set_new(object, name, json_string(coded));
	free(coded);
}

json_t *control_number(uint64_t value)
{
	return json_integer((json_int_t)value);
}

#define HEX_BYTES_MAX 128

void control_set_hex(
	json_t *object, const char *key, const uint8_t *data, size_t len)
{
	char hex[2 * HEX_BYTES_MAX + 1];

	if (len > HEX_BYTES_MAX)
		return;
	sodium_bin2hex(hex, sizeof(hex), data, len);
	json_object_set_new(object, key, json_string(hex));
}

/* As in the log. */
static void id_of(const struct client *c, char text[17])
{
	snprintf(text, 17, "%" PRIx64, c->id);
}

/* The peer's address and port; false when there is no connection. */
static bool address_of(struct client *c, char *text, size_t size)
{
	struct rpc_conn *conn = client_any_conn(c);

	if (!conn)
		return false;
	snprintf(text, size, "%s", rpc_conn_peer(conn));
	rpc_conn_put(conn);
	return true;
}

void control_set_client(json_t *object, struct client *c)
{
	char text[80];

	id_of(c, text);
	json_object_set_new(object, "client", json_string(text));
	control_set_bytes(object, "owner", c->owner, c->owner_len);
	if (address_of(c, text, sizeof(text)))
		json_object_set_new(object, "address", json_string(text));
}

/* ---- who is meant ---- */

/* "192.0.2.1:700" is 192.0.2.1 and itself, "[::1]:700" also ::1. */
static bool is_address(const char *peer, const char *text)
{
	size_t len = strlen(text);
	bool bracket = peer[0] == '[';

	if (strcmp(peer, text) == 0)
		return true;
	return strncmp(peer + bracket, text, len) == 0 &&
		peer[bracket + len] == (bracket ? ']' : ':');
}

static bool is_meant(struct client *c, const char *text)
{
	char own[80];

	id_of(c, own);
	if (strcmp(own, text) == 0)
		return true;
	if (strlen(text) == c->owner_len &&
		memcmp(text, c->owner, c->owner_len) == 0)
		return true;
	return address_of(c, own, sizeof(own)) && is_address(own, text);
}

/* Takes the reference. */
static bool add_meant(struct control_who *who, struct client *c)
{
	size_t room = who->room ? who->room * 2 : 8;
	struct client **grown = who->client;

	if (who->count == who->room) {
		grown = realloc(grown, room * sizeof(struct client *));
		if (!grown) {
			client_put(c);
			return false;
		}
		who->client = grown;
		who->room = room;
	}
	who->client[who->count++] = c;
	return true;
}

static bool find_meant(
	struct control_who *who, struct state *s, const char *text)
{
	struct client_walk walk;
	struct client *c;
	bool good = true;

	client_walk_init(&walk, s);
	while (good && (c = client_walk_next(&walk))) {
		if (is_meant(c, text))
			good = add_meant(who, c);
		else
			client_put(c);
	}
	good = good && !walk.failed;
	client_walk_fini(&walk);
	return good;
}

bool control_who_init(struct control_who *who, struct state *s,
	const json_t *request, const char **why)
{
	const json_t *wanted = json_object_get(request, "client");

	*who = (struct control_who){.everybody = !wanted};
	if (!wanted)
		return true;
	if (!json_is_string(wanted))
		*why = "\"client\" is not a text";
	else if (!find_meant(who, s, json_string_value(wanted)))
		*why = CONTROL_NO_MEMORY;
	else if (who->count == 0)
		*why = "there is no such client";
	else
		return true;
	control_who_fini(who);
	return false;
}

bool control_who_is(const struct control_who *who, const struct client *c)
{
	for (size_t i = 0; i < who->count; i++) {
		if (who->client[i] == c)
			return true;
	}
	return who->everybody;
}

void control_who_fini(struct control_who *who)
{
	for (size_t i = 0; i < who->count; i++)
		client_put(who->client[i]);
	free(who->client);
}
