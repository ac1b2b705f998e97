/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <inttypes.h>
#include <stdio.h>

static const char *const mischief_names[MISCHIEFS] = {"late", "delay",
	"seq_delay", "notsupp", "drop", "drop_after", "silent", "lose",
	"rebind", "part", "expire", "neglect"};
static const char *const kind_names[CHANGE_KINDS] = {
	"child_attrs", "dir_attrs", "remove", "add", "rename", "verifier"};

void report_weather(const struct world *w)
{
	const struct weather *we = &w->weather;

	fprintf(stderr,
		"phase %u: window %u ms, queue %u, limit %u, memory %u%s%s",
		w->phase, we->window_ms, we->queue_events, we->max_delegs,
		we->memory, we->store_fails ? ", the store fails" : "",
		we->reports_lost ? ", reports are lost" : "");
	for (int i = 0; i < PEERS; i++) {
		for (int m = 0; m < MISCHIEFS; m++) {
			if (we->permille[i][m])
				fprintf(stderr, ", %d: %s", i,
					mischief_names[m]);
		}
	}
	fprintf(stderr, "\n");
}

static void print_counts(const struct counts *c)
{
	printf("events checked:");
	for (int k = 0; k < CHANGE_KINDS; k++)
		printf(" %s=%" PRIu64, kind_names[k], c->events[k]);
	printf("\n%" PRIu64 " models compared with %" PRIu64
	       " listings at %" PRIu64 " quiet points, %" PRIu64
	       " entries, %" PRIu64 " attributes, %" PRIu64
	       " of directories\nrecalls:",
		c->models, c->listings, c->quiet_points, c->entries, c->attrs,
		c->dir_attrs);
	for (int r = 0; r < RECALL_REASONS; r++)
		printf(" %s=%" PRIu64, recall_reason_name(r), c->recalls[r]);
	printf("\n");
}

void report_print(const struct world *w, double seconds)
{
	const struct counts *c = &w->counts;

	printf("%llu operations (%.0f/s) in %u phases, %llu failed, %llu "
	       "where somebody else was watching\n",
		w->ops, (double)w->ops / seconds, w->phase, w->ops_failed,
		w->ops_watched);
	printf("%" PRIu64 " changes, %" PRIu64
	       " seen by a live holder, %" PRIu64 " moved a verifier\n",
		c->changes, c->changes_seen, c->verifier_moves);
	if (w->options.local)
		printf("%" PRIu64 " local changes of names and directories, "
		       "%" PRIu64 " found out and told; %" PRIu64
		       " models given up as ambiguous\n",
			c->local_acts, c->local_told, c->ambiguous);
	printf("%llu grants, %llu refusals, %llu returns (at most %llu late), "
	       "%llu revoked\n",
		w->grants, w->refusals, w->returns, w->late_returns,
		w->revoked);
	print_counts(c);
	printf("on purpose:");
	for (int m = 0; m < MISCHIEFS; m++)
		printf(" %s=%llu", mischief_names[m], w->mischief[m]);
	printf("\n");
}

void report_check(const struct world *w)
{
	const struct counts *c = &w->counts;
	uint64_t events = 0;

	for (int k = 0; k < CHANGE_KINDS; k++)
		events += c->events[k];
	if (2 * c->fair_changes_seen < c->fair_changes ||
		2 * w->fair_ops_watched < w->fair_ops)
		prop_fail(w, "too few operations were seen by a live holder");
	if (!events || !c->models || (!c->attrs && !w->options.local))
		prop_fail(w, "nothing was checked");
}
