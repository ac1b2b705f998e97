/* SPDX-License-Identifier: MIT */
/*
 * herald recall: one delegation, all of a directory, or all of a client, for
 * the reason `admin`. Says how many recalls it began, and waits for none.
 */
#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/control_verb.h"
#include "state/dirdeleg.h"
#include "state/inspect.h"
#include "state/recall.h"

#define AT_ONCE 256

static json_t *describe(uint64_t begun)
{
	log_info("recalled by the administrator delegations=%llu",
		(unsigned long long)begun);
	return json_pack("{so}", "recalled", control_number(begun));
}

/* How many recalls that began: one, or none when there is one under way. */
static unsigned recall(struct deleg *d)
{
	unsigned begun = d->state == DELEG_ACTIVE;

	recall_start(d, RECALL_ADMIN);
	return begun;
}

/* ---- one ---- */

static struct deleg *find_deleg(struct state *s, const char *text)
{
	uint8_t other[NFS4_OTHER_SIZE];
	size_t len;

	if (sodium_hex2bin(other, sizeof(other), text, strlen(text), NULL, &len,
		    NULL) != 0 ||
		len != sizeof(other))
		return NULL;
	return deleg_by_other(s, other);
}

static struct control_job *begin_one(
	struct state *s, const char *text, const char **why)
{
	struct deleg *d = find_deleg(s, text);
	uint64_t begun;

	if (!d) {
		*why = "there is no such delegation";
		return NULL;
	}
	begun = recall(d);
	deleg_put(d);
	return control_single(describe(begun), why);
}

/* ---- all of a directory ---- */

static const char *why_not(int err)
{
	switch (err) {
	case -ENOENT:
	case -ENOTDIR:
		return "there is no such directory";
	case -EINVAL:
		return "a path begins with a slash and has no dots in it";
	case -ETIMEDOUT:
		return "the file system there does not answer; a delegation "
		       "can be named instead";
	default:
		return strerror(-err);
	}
}

static struct control_job *begin_dir(
	const struct control_source *source, const char *path, const char **why)
{
	struct state *s = source->metrics.server->state;
	struct fileid dir;
	int err = control_find_dir(source, path, &dir);

	if (err) {
		*why = why_not(err);
		return NULL;
	}
	return control_single(
		describe(dirdeleg_recall(s, &dir, RECALL_ADMIN)), why);
}

/* ---- all of a client ---- */

struct recall_job {
	struct control_job job;
	struct control_who who;
	struct deleg_walk walk;
	uint64_t begun;
};

static bool step(struct control_job *job, struct control_out *out)
{
	struct recall_job *j = container_of(job, struct recall_job, job);
	struct deleg *d;

	for (int i = 0; i < AT_ONCE; i++) {
		d = deleg_walk_next(&j->walk);
		if (!d) {
			out->failed |= j->walk.failed;
			control_put(out, describe(j->begun));
			return false;
		}
		if (control_who_is(&j->who, d->sid.client))
			j->begun += recall(d);
		deleg_put(d);
	}
	return true;
}

static void recall_free(struct control_job *job)
{
	struct recall_job *j = container_of(job, struct recall_job, job);

	deleg_walk_fini(&j->walk);
	control_who_fini(&j->who);
	free(j);
}

static struct control_job *begin_client(
	struct state *s, const json_t *request, const char **why)
{
	struct recall_job *j = calloc(1, sizeof(*j));

	*why = CONTROL_NO_MEMORY;
	if (!j || !control_who_init(&j->who, s, request, why)) {
		free(j);
		return NULL;
	}
	j->job = (struct control_job){.step = step, .free = recall_free};
	deleg_walk_init(&j->walk, s);
	return &j->job;
}

static struct control_job *begin(const struct control_source *source,
	const json_t *request, const char **why)
{
	struct state *s = source->metrics.server->state;
	const json_t *one = json_object_get(request, "delegation");
	const json_t *dir = json_object_get(request, "directory");
	const json_t *client = json_object_get(request, "client");

	if (!!one + !!dir + !!client == 1) {
		if (json_is_string(one))
			return begin_one(s, json_string_value(one), why);
		if (json_is_string(dir))
			return begin_dir(source, json_string_value(dir), why);
		if (client)
			return begin_client(s, request, why);
	}
	*why = "one of \"delegation\", \"directory\" and \"client\" is needed";
	return NULL;
}

const struct control_verb control_recall = {"recall", begin};
