/* SPDX-License-Identifier: MIT */
/* herald delegations: one object each, however many there are. */
#include <stdlib.h>
#include <string.h>

#include "daemon/control_verb.h"
#include "state/inspect.h"

#define AT_ONCE CONTROL_PATHS_MAX

struct delegations_job {
	struct control_job job;
	const struct control_source *source;
	struct control_who who;
	bool all_types;
	enum deleg_type type;
	struct deleg_walk walk;
};

static const char *state_name(enum deleg_state state)
{
	static const char *const names[] = {
		[DELEG_ACTIVE] = "active",
		[DELEG_RECALLED] = "recalled",
		[DELEG_RETURNED] = "returned",
		[DELEG_REVOKED] = "revoked",
	};

	return names[state];
}

static json_t *kinds_of(const struct deleg *d)
{
	json_t *kinds = json_array();

	for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
		if (d->granted & 1u << kind)
			json_array_append_new(
				kinds, json_string(change_kind_name(kind)));
	}
	return kinds;
}

static void set_state(json_t *object, struct deleg *d)
{
	struct deleg_view view;

	deleg_inspect(d, &view);
	json_object_set_new(
		object, "state", json_string(state_name(view.state)));
	json_object_set_new(
		object, "age_s", control_number(view.age_ms / 1000));
	json_object_set_new(object, "queued", control_number(view.queued));
	if (view.state != DELEG_RECALLED)
		return;
	json_object_set_new(
		object, "reason", json_string(recall_reason_name(view.reason)));
	json_object_set_new(
		object, "recalled_s", control_number(view.recalled_ms / 1000));
}

/* @path: NULL when it is not known. */
static json_t *describe(struct deleg *d, const char *path)
{
	json_t *object = json_object();

	control_set_hex(
		object, "delegation", d->sid.other, sizeof(d->sid.other));
	json_object_set_new(
		object, "type", json_string(deleg_type_name(deleg_type(d))));
	control_set_client(object, d->sid.client);
	if (path)
		control_set_bytes(object, "path", path, strlen(path));
	control_set_hex(object, "filehandle", d->fh, d->fh_len);
	json_object_set_new(object, "kinds", kinds_of(d));
	set_state(object, d);
	return object;
}

static bool is_wanted(const struct delegations_job *j, const struct deleg *d)
{
	return (j->all_types || j->type == deleg_type(d)) &&
		control_who_is(&j->who, d->sid.client);
}

/* The next ones that are wanted, with references; *@end: there are no more. */
static size_t take_some(
	struct delegations_job *j, struct deleg *ds[AT_ONCE], bool *end)
{
	size_t count = 0;
	struct deleg *d;

	for (int i = 0; i < AT_ONCE; i++) {
		d = deleg_walk_next(&j->walk);
		*end = !d;
		if (!d)
			break;
		if (is_wanted(j, d))
			ds[count++] = d;
		else
			deleg_put(d);
	}
	return count;
}

static bool step(struct control_job *job, struct control_out *out)
{
	struct delegations_job *j =
		container_of(job, struct delegations_job, job);
	struct xdr_opaque handles[AT_ONCE];
	struct deleg *ds[AT_ONCE];
	char *paths[AT_ONCE];
	bool end;
	size_t count = take_some(j, ds, &end);

	for (size_t i = 0; i < count; i++)
		handles[i] = xdr_opaque_from(ds[i]->fh, ds[i]->fh_len);
	control_find_paths(j->source, handles, count, paths);
	for (size_t i = 0; i < count; i++) {
		control_put(out, describe(ds[i], paths[i]));
		free(paths[i]);
		deleg_put(ds[i]);
	}
	out->failed |= end && j->walk.failed;
	return !end;
}

static void delegations_free(struct control_job *job)
{
	struct delegations_job *j =
		container_of(job, struct delegations_job, job);

	deleg_walk_fini(&j->walk);
	control_who_fini(&j->who);
	free(j);
}

static bool take_type(
	struct delegations_job *j, const json_t *request, const char **why)
{
	const json_t *wanted = json_object_get(request, "type");

	j->all_types = !wanted;
	if (!wanted)
		return true;
	for (j->type = 0; j->type < DELEG_TYPES; j->type++) {
		if (json_is_string(wanted) &&
			strcmp(json_string_value(wanted),
				deleg_type_name(j->type)) == 0)
			return true;
	}
	*why = "\"type\" is neither \"directory\" nor \"file\"";
	return false;
}

static struct control_job *begin(const struct control_source *source,
	const json_t *request, const char **why)
{
	struct state *s = source->metrics.server->state;
	struct delegations_job *j = calloc(1, sizeof(*j));

	*why = CONTROL_NO_MEMORY;
	if (!j || !take_type(j, request, why) ||
		!control_who_init(&j->who, s, request, why)) {
		free(j);
		return NULL;
	}
	j->job = (struct control_job){.step = step, .free = delegations_free};
	j->source = source;
	deleg_walk_init(&j->walk, s);
	return &j->job;
}

const struct control_verb control_delegations = {"delegations", begin};
