/* SPDX-License-Identifier: MIT */
/*
 * What can be asked of the control socket: one file per verb. A verb makes a
 * job of a request, and the job writes its answer step by step: each step is
 * short, and nothing waits in memory but what one step wrote.
 */
#ifndef DAEMON_CONTROL_VERB_H
#define DAEMON_CONTROL_VERB_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "daemon/control.h"
#include "daemon/control_disk.h"
#include "state/client.h"
#include "state/deleg.h"

/* Lines on their way to somebody; `failed` is sticky: out of memory. */
struct control_out {
	char *data;
	size_t start, end, room;
	bool failed;
};

/* One line. Takes @object; NULL is out of memory. */
void control_put(struct control_out *out, json_t *object);

/* The last line when something is wrong. */
void control_put_error(struct control_out *out, const char *why);

struct control_job {
	/* Some more of the answer; false: that was all of it. */
	bool (*step)(struct control_job *job, struct control_out *out);
	void (*free)(struct control_job *job);
};

struct control_verb {
	const char *name;
	/* NULL, with a sentence in *@why, for what cannot be answered. */
	struct control_job *(*begin)(const struct control_source *source,
		const json_t *request, const char **why);
};

extern const struct control_verb control_status;
extern const struct control_verb control_clients;
extern const struct control_verb control_delegations;
extern const struct control_verb control_recall;

/* A job that is answered with one line: @object, which is taken. */
struct control_job *control_single(json_t *object, const char **why);

#define CONTROL_NO_MEMORY "the server is out of memory"

/* ---- what several verbs need: control_common.c ---- */

/*
 * Bytes that need not be text: "key" when they are UTF-8, else "key_b64". As
 * all functions of jansson do, it ignores a NULL @object.
 */
void control_set_bytes(
	json_t *object, const char *key, const void *data, size_t len);

json_t *control_number(uint64_t value);

/* Hexadecimal digits. */
void control_set_hex(
	json_t *object, const char *key, const uint8_t *data, size_t len);

/* "client", "owner", "address" (when it is connected). */
void control_set_client(json_t *object, struct client *c);

/* The clients that somebody means, with references. */
struct control_who {
	bool everybody;
	struct client **client;
	size_t count, room;
};

/*
 * Those whose id, owner or address is the text at "client" of @request; with
 * no such key, everybody. False, with *@why: nobody, or no text.
 */
bool control_who_init(struct control_who *who, struct state *s,
	const json_t *request, const char **why);
bool control_who_is(const struct control_who *who, const struct client *c);
void control_who_fini(struct control_who *who);

/* ---- control_path.c ---- */

#define CONTROL_PATHS_MAX 64

/*
 * The paths of @count filehandles (CONTROL_PATHS_MAX at most), as clients see
 * them from the server's root, for the caller to free; NULL: it has none any
 * more, or its disk does not answer.
 */
void control_find_paths(const struct control_source *source,
	const struct xdr_opaque *handles, size_t count, char **paths);

/* The directory at such a path. 0 or -errno; -ETIMEDOUT: it hangs. */
int control_find_dir(const struct control_source *source, const char *path,
	struct fileid *ret);

#endif
