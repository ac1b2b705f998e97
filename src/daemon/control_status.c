/* SPDX-License-Identifier: MIT */
/* herald status: the server in one object, made of what the metrics count. */
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/control_verb.h"

/* ---- a job of one line ---- */

struct single_job {
	struct control_job job;
	json_t *object;
};

static bool single_step(struct control_job *job, struct control_out *out)
{
	control_put(out,
		json_incref(container_of(job, struct single_job, job)->object));
	return false;
}

static void single_free(struct control_job *job)
{
	struct single_job *single = container_of(job, struct single_job, job);

	json_decref(single->object);
	free(single);
}

struct control_job *control_single(json_t *object, const char **why)
{
	struct single_job *single = object ? malloc(sizeof(*single)) : NULL;

	if (!single) {
		json_decref(object);
		*why = CONTROL_NO_MEMORY;
		return NULL;
	}
	*single = (struct single_job){
		.job = {.step = single_step, .free = single_free},
		.object = object,
	};
	return &single->job;
}

/* ---- the object ---- */

/* {"name": value} of what is not 0. */
static json_t *by_name(
	const uint64_t *values, unsigned n, const char *(*name)(unsigned i))
{
	json_t *object = json_object();

	for (unsigned i = 0; i < n; i++) {
		if (values[i])
			json_object_set_new(
				object, name(i), control_number(values[i]));
	}
	return object;
}

static const char *reason(unsigned i)
{
	return recall_reason_name(i);
}

static const char *refusal(unsigned i)
{
	return deleg_refusal_name(i);
}

static const char *kind(unsigned i)
{
	return change_kind_name(i);
}

static const char *overflow(unsigned i)
{
	return deleg_overflow_name(i);
}

static json_t *delegations(const struct metrics *m)
{
	json_t *types = json_object();

	for (int t = 0; t < DELEG_TYPES; t++) {
		const struct deleg_type_stats *s = &m->delegs.type[t];

		json_object_set_new(types, deleg_type_name(t),
			json_pack("{sososososososo}", "outstanding",
				control_number(s->outstanding), "limit",
				control_number(m->deleg_limits[t]),
				"being_recalled",
				control_number(s->being_recalled), "granted",
				control_number(s->granted), "revoked",
				control_number(s->revoked), "refused",
				by_name(s->refused, DELEG_REFUSALS, refusal),
				"recalled",
				by_name(s->recalled, RECALL_REASONS, reason)));
	}
	return types;
}

static json_t *memory(const struct metrics *m)
{
	return json_pack("{soso}", "bytes", control_number(m->deleg_bytes_all),
		"limit_bytes", control_number(m->deleg_bytes_limit));
}

static json_t *notifications(const struct metrics *m)
{
	return json_pack("{sososososo}", "queued",
		by_name(m->delegs.queued, CHANGE_KINDS, kind), "delivered",
		by_name(m->delegs.entries, CHANGE_KINDS, kind), "batches",
		control_number(histogram_count(&m->delegs.batch_events)),
		"overflows",
		by_name(m->delegs.overflows, DELEG_OVERFLOWS, overflow),
		"queue_bytes", control_number(m->state.notify_bytes));
}

static json_t *exports(const struct exports *x)
{
	json_t *list = json_array();

	for (size_t i = 0; i < x->count; i++) {
		const struct export *export = &x->list[i];
		json_t *one =
			json_pack("{sb}", "read_only", (int)export->read_only);

		control_set_bytes(
			one, "path", export->path, strlen(export->path));
		json_array_append_new(list, one);
	}
	return list;
}

static json_t *describe(const struct control_source *source)
{
	struct state *s = source->metrics.server->state;
	struct metrics m;
	json_t *object;

	metrics_read(&source->metrics, &m);
	object = json_pack("{sssisososssosb}", "version", HERALD_VERSION, "pid",
		(int)getpid(), "started_s", control_number(m.started_s),
		"uptime_s", control_number((uint64_t)time(NULL) - m.started_s),
		"address", source->address, "lease_s",
		control_number(state_get_config(s)->lease_ms / 1000), "grace",
		(int)state_in_grace(s));
	json_object_set_new(
		object, "exports", exports(&source->metrics.server->exports));
	json_object_set_new(object, "clients", control_number(m.state.clients));
	json_object_set_new(
		object, "sessions", control_number(m.state.sessions));
	json_object_set_new(
		object, "connections", control_number(m.rpc.connections));
	json_object_set_new(object, "opens", control_number(m.state.opens));
	json_object_set_new(
		object, "lock_ranges", control_number(m.state.locks));
	json_object_set_new(object, "calls", control_number(m.rpc.calls));
	json_object_set_new(object, "threads", control_number(m.rpc.threads));
	json_object_set_new(object, "delegations", delegations(&m));
	json_object_set_new(object, "delegation_memory", memory(&m));
	json_object_set_new(object, "notifications", notifications(&m));
	return object;
}

static struct control_job *begin(const struct control_source *source,
	const json_t *request, const char **why)
{
	return control_single(describe(source), why);
}

const struct control_verb control_status = {"status", begin};
