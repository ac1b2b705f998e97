/* SPDX-License-Identifier: MIT */
#include "cli/bench_report.h"

#include <inttypes.h>

#include "cli/render.h"

/* Less than that of what was wanted, and the rate was not kept. */
#define RATE_KEPT 0.99

/* Fewer delegations than that are lost in the noise of an allocator. */
#define MEMORY_MIN 10000

bool bench_report_is_good(const struct bench_report *r)
{
	return r->verdict.lost == 0 && r->verdict.wrong == 0 &&
		r->tally->failed == 0;
}

/* ---- figures that follow from others ---- */

static double ms(uint64_t ns)
{
	return (double)ns / 1e6;
}

static double per_second(const struct bench_report *r, uint64_t n)
{
	return r->seconds > 0 ? (double)n / r->seconds : 0;
}

/* The rate at which changes were sent. */
static double sent_rate(const struct bench_report *r)
{
	uint64_t span = r->tally->last_ns - r->tally->first_ns;
	uint64_t n = r->tally->made + r->tally->failed;

	return span && n > 1 ? (double)(n - 1) * 1e9 / (double)span : 0;
}

bool bench_report_kept_rate(const struct bench_report *r)
{
	return r->plan->burst || r->tally->made + r->tally->failed < 2 ||
		sent_rate(r) >= RATE_KEPT * r->plan->rate;
}

/* Of one processor. */
static double cpu_percent(const struct bench_report *r)
{
	uint64_t spent = r->ended.cpu_ms - r->begun.cpu_ms;

	return r->seconds > 0 ? (double)spent / r->seconds / 10 : 0;
}

static bool has_memory(const struct bench_report *r)
{
	return r->server && r->hold.granted >= MEMORY_MIN &&
		r->granted.rss_bytes > r->before.rss_bytes;
}

static double bytes_per_delegation(const struct bench_report *r)
{
	return (double)(r->granted.rss_bytes - r->before.rss_bytes) /
		(double)r->hold.granted;
}

/* Changes that nobody was to hear of have no events. */
static bool has_events(const struct bench_report *r)
{
	return r->plan->changes && r->holders;
}

/* ---- text ---- */

static const char *plural(uint64_t n, const char *one, const char *many)
{
	return n == 1 ? one : many;
}

static void text_held(const struct bench_report *r, FILE *to)
{
	fprintf(to,
		"  held       %" PRIu64 " %s: %" PRIu32 " %s, %" PRIu32
		" %s each, %" PRIu32 " %s\n",
		r->hold.granted,
		plural(r->hold.granted, "delegation", "delegations"),
		r->directories,
		plural(r->directories, "directory", "directories"), r->holders,
		plural(r->holders, "holder", "holders"), r->clients,
		plural(r->clients, "client", "clients"));
	if (r->hold.refused)
		fprintf(to, "             %" PRIu64 " more were refused\n",
			r->hold.refused);
	if (r->hold.disturbances)
		fprintf(to,
			"             %" PRIu64 " times a connection or "
			"state was lost: do not trust these figures\n",
			r->hold.disturbances);
}

static void text_changes(const struct bench_report *r, FILE *to)
{
	const struct bench_tally *t = r->tally;

	fprintf(to, "  changes    %" PRIu64 ", %.1f/s", t->made, sent_rate(r));
	if (!r->plan->burst)
		fprintf(to, " (%.1f/s wanted, late by p99 %.3f ms)",
			r->plan->rate, ms(bench_hist_at(&t->late, 0.99)));
	fputs("\n", to);
	if (t->failed)
		fprintf(to,
			"             %" PRIu64 " failed, the first with "
			"status %d\n",
			t->failed, t->first_error);
	if (!bench_report_kept_rate(r))
		fputs("             THE RATE WAS NOT KEPT: latencies below "
		      "are those of a system that is too slow for it\n",
			to);
}

static void text_latency(
	const char *label, const struct bench_hist *h, FILE *to)
{
	fprintf(to, "  %s p50 %.3f ms, p99 %.3f ms, max %.3f ms\n", label,
		ms(bench_hist_at(h, 0.5)), ms(bench_hist_at(h, 0.99)),
		ms(h->max_ns));
}

static void text_events(const struct bench_report *r, FILE *to)
{
	const struct bench_tally *t = r->tally;

	fprintf(to,
		"  events     %" PRIu64 ", %.1f/s, in %" PRIu64
		" callbacks, %.1f/s\n",
		t->events, per_second(r, t->events), r->hold.callbacks,
		per_second(r, r->hold.callbacks));
	if (t->attributes)
		fprintf(to, "             and %" PRIu64 " of attributes\n",
			t->attributes);
	if (t->again || t->others)
		fprintf(to,
			"             %" PRIu64 " told again, %" PRIu64
			" about nothing we did\n",
			t->again, t->others);
	text_latency("from due  ", &t->since_due, to);
	text_latency("from reply", &t->since_reply, to);
	if (t->early)
		fprintf(to,
			"             %" PRIu64
			" came before the reply (as 0)\n",
			t->early);
}

static void text_losses(const struct bench_report *r, FILE *to)
{
	const struct bench_verdict *v = &r->verdict;

	fprintf(to,
		"  recalls    %" PRIu64 ", asked to give back %" PRIu64
		" times\n",
		r->hold.recalls, r->hold.recall_anys);
	if (!has_events(r))
		return;
	fprintf(to,
		"  lost       %" PRIu64 " events; %" PRIu64 " of %" PRIu64
		" models differ from the directory\n",
		v->lost, v->wrong, v->models);
	if (v->why[0])
		fprintf(to, "             the first: %s\n", v->why);
}

static void text_server(const struct bench_report *r, FILE *to)
{
	if (!r->server)
		return;
	fprintf(to, "  server     process %ld, %.1f MiB", (long)r->server,
		(double)r->granted.rss_bytes / 1048576);
	if (has_memory(r))
		fprintf(to, ", %.0f bytes per delegation (%.1f MiB before)",
			bytes_per_delegation(r),
			(double)r->before.rss_bytes / 1048576);
	fprintf(to, ", %.1f %% of a processor\n", cpu_percent(r));
}

void bench_report_text(const struct bench_report *r, FILE *to)
{
	fprintf(to, "%s\n", r->url);
	text_held(r, to);
	if (r->plan->changes)
		text_changes(r, to);
	if (has_events(r))
		text_events(r, to);
	text_losses(r, to);
	text_server(r, to);
}

/* ---- JSON ---- */

static void json_latency(const char *key, const struct bench_hist *h, FILE *to)
{
	fprintf(to, ",\"%s\":{\"p50\":%.6f,\"p99\":%.6f,\"max\":%.6f}", key,
		ms(bench_hist_at(h, 0.5)), ms(bench_hist_at(h, 0.99)),
		ms(h->max_ns));
}

static void json_changes(const struct bench_report *r, FILE *to)
{
	const struct bench_tally *t = r->tally;

	fprintf(to,
		",\"changes\":%" PRIu64 ",\"changes_failed\":%" PRIu64
		",\"burst\":%s,\"rate_wanted\":%.3f,\"rate\":%.3f"
		",\"rate_kept\":%s",
		t->made, t->failed, r->plan->burst ? "true" : "false",
		r->plan->rate, sent_rate(r),
		bench_report_kept_rate(r) ? "true" : "false");
	json_latency("late_ms", &t->late, to);
}

static void json_events(const struct bench_report *r, FILE *to)
{
	const struct bench_tally *t = r->tally;

	json_latency("due_to_event_ms", &t->since_due, to);
	json_latency("reply_to_event_ms", &t->since_reply, to);
	fprintf(to,
		",\"events\":%" PRIu64 ",\"events_per_second\":%.3f"
		",\"events_before_reply\":%" PRIu64 ",\"events_again\":%" PRIu64
		",\"events_other\":%" PRIu64
		",\"events_of_attributes\":%" PRIu64,
		t->events, per_second(r, t->events), t->early, t->again,
		t->others, t->attributes);
	fprintf(to, ",\"callbacks\":%" PRIu64 ",\"callbacks_per_second\":%.3f",
		r->hold.callbacks, per_second(r, r->hold.callbacks));
	fprintf(to,
		",\"events_lost\":%" PRIu64 ",\"models\":%" PRIu64
		",\"models_wrong\":%" PRIu64,
		r->verdict.lost, r->verdict.models, r->verdict.wrong);
}

static void json_server(const struct bench_report *r, FILE *to)
{
	fprintf(to,
		",\"server\":{\"pid\":%ld,\"cpu_percent\":%.3f"
		",\"rss_bytes_before\":%" PRIu64 ",\"rss_bytes\":%" PRIu64,
		(long)r->server, cpu_percent(r), r->before.rss_bytes,
		r->granted.rss_bytes);
	if (has_memory(r))
		fprintf(to, ",\"bytes_per_delegation\":%.3f",
			bytes_per_delegation(r));
	fputs("}", to);
}

static void json_url(const struct bench_report *r, FILE *to)
{
	struct render text = {.data = NULL};

	render_json_name(&text, "url", name_from_str(r->url));
	if (!text.failed)
		fwrite(text.data, 1, text.len, to);
	render_fini(&text);
}

void bench_report_json(const struct bench_report *r, FILE *to)
{
	fputs("{", to);
	json_url(r, to);
	fprintf(to,
		",\"directories\":%" PRIu32 ",\"holders\":%" PRIu32
		",\"clients\":%" PRIu32 ",\"delegations\":%" PRIu64
		",\"refused\":%" PRIu64 ",\"recalls\":%" PRIu64
		",\"recall_anys\":%" PRIu64 ",\"disturbances\":%" PRIu64
		",\"seconds\":%.3f",
		r->directories, r->holders, r->clients, r->hold.granted,
		r->hold.refused, r->hold.recalls, r->hold.recall_anys,
		r->hold.disturbances, r->seconds);
	if (r->plan->changes)
		json_changes(r, to);
	if (has_events(r))
		json_events(r, to);
	if (r->server)
		json_server(r, to);
	fputs("}\n", to);
}
