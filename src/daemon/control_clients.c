/* SPDX-License-Identifier: MIT */
/* herald clients: one object each. */
#include <stdlib.h>

#include "daemon/control_verb.h"
#include "state/inspect.h"

#define AT_ONCE 64

struct clients_job {
	struct control_job job;
	struct control_who who;
	struct client_walk walk;
};

static const char *health_name(enum cb_health health)
{
	static const char *const names[] = {
		[CB_HEALTH_DOWN] = "down",
		[CB_HEALTH_UNKNOWN] = "unknown",
		[CB_HEALTH_UP] = "up",
	};

	return names[health];
}

static json_t *describe(struct client *c)
{
	json_t *object = json_object();
	struct client_view view;

	client_inspect(c, &view);
	control_set_client(object, c);
	json_object_set_new(
		object, "minor_version", control_number(view.minor_version));
	json_object_set_new(object, "state",
		json_string(view.expired ? "expired" : "active"));
	json_object_set_new(object, "backchannel",
		json_string(health_name(view.backchannel)));
	json_object_set_new(
		object, "silent_s", control_number(view.silent_ms / 1000));
	json_object_set_new(object, "sessions", control_number(view.sessions));
	json_object_set_new(object, "opens", control_number(view.opens));
	json_object_set_new(
		object, "lock_ranges", control_number(view.lock_ranges));
	json_object_set_new(object, "directory_delegations",
		control_number(view.dir_delegs));
	json_object_set_new(
		object, "file_delegations", control_number(view.file_delegs));
	json_object_set_new(object, "revoked", control_number(view.revoked));
	return object;
}

static bool step(struct control_job *job, struct control_out *out)
{
	struct clients_job *j = container_of(job, struct clients_job, job);
	struct client *c;

	for (int i = 0; i < AT_ONCE; i++) {
		c = client_walk_next(&j->walk);
		if (!c) {
			out->failed |= j->walk.failed;
			return false;
		}
		if (control_who_is(&j->who, c))
			control_put(out, describe(c));
		client_put(c);
	}
	return true;
}

static void clients_free(struct control_job *job)
{
	struct clients_job *j = container_of(job, struct clients_job, job);

	client_walk_fini(&j->walk);
	control_who_fini(&j->who);
	free(j);
}

static struct control_job *begin(const struct control_source *source,
	const json_t *request, const char **why)
{
	struct state *s = source->metrics.server->state;
	struct clients_job *j = calloc(1, sizeof(*j));

	*why = CONTROL_NO_MEMORY;
	if (!j || !control_who_init(&j->who, s, request, why)) {
		free(j);
		return NULL;
	}
	j->job = (struct control_job){.step = step, .free = clients_free};
	client_walk_init(&j->walk, s);
	return &j->job;
}

const struct control_verb control_clients = {"clients", begin};
