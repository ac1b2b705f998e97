/* SPDX-License-Identifier: MIT */
#include <inttypes.h>

#include "daemon/metrics.h"

static const char *const type_names[] = {
	[METRIC_COUNTER] = "counter",
	[METRIC_GAUGE] = "gauge",
	[METRIC_HISTOGRAM] = "histogram",
};

/* ---- reading ---- */

static void read_nfs(const struct nfs_counts *from, struct metrics *to)
{
	for (int i = 0; i < COUNT_OPERATIONS; i++) {
		for (int k = 0; k < COUNT_STATUSES; k++)
			to->operations[i][k] =
				counter_read(&from->operations[i][k]);
	}
	for (int i = 0; i < COUNT_CALLBACKS; i++) {
		for (int k = 0; k < COUNT_ANSWERS; k++)
			to->callbacks[i][k] =
				counter_read(&from->callbacks[i][k]);
	}
}

/* Two exports may show one store: it counts once. */
static bool is_first(const struct exports *x, size_t i)
{
	for (size_t k = 0; k < i; k++) {
		if (x->list[k].store == x->list[i].store)
			return false;
	}
	return true;
}

static void read_watches(const struct exports *x, struct store_watch_stats *to)
{
	*to = (struct store_watch_stats){.marks = 0};
	for (size_t i = 0; i < x->count; i++) {
		struct store_watch_stats one;

		if (!is_first(x, i))
			continue;
		store_read_watch_stats(x->list[i].store, &one);
		to->marks += one.marks;
		to->max_marks += one.max_marks;
		to->refused += one.refused;
		to->reports += one.reports;
		to->own += one.own;
		to->lost += one.lost;
	}
}

void metrics_read(const struct metrics_source *source, struct metrics *ret)
{
	struct nfs_server *server = source->server;
	const struct state_config *config = state_get_config(server->state);

	ret->one = 1;
	ret->started_s = source->started_s;
	state_read_stats(server->state, &ret->state);
	deleg_stats_read(server->state, &ret->delegs);
	ret->deleg_limits[DELEG_FILE] = 0;
	ret->deleg_limits[DELEG_DIR] =
		config->dir_delegations ? config->max_dir_delegs : 0;
	for (int i = 0; i < DIRMEMORY_USES; i++)
		ret->deleg_bytes[i] = dirmemory_bytes(i);
	ret->deleg_bytes_all = dirmemory_total();
	ret->deleg_bytes_limit = config->max_deleg_bytes;
	rpc_read_stats(server->rpc, &ret->rpc);
	for (int i = 0; i < STORE_CALLS; i++)
		ret->store[i] = store_call_stats(i);
	read_nfs(&server->counts, ret);
	dirindex_read_stats(source->index, &ret->index);
	read_watches(&server->exports, &ret->watch);
}

/* ---- the page ---- */

/* One sample's labels, `le` of a histogram's bucket included. */
struct labels {
	const struct metric *metric;
	unsigned value[METRIC_LABELS_MAX];
	const char *le; /* or NULL */
};

static void print_labels(const struct labels *l, FILE *to)
{
	const char *before = "{";

	for (int i = 0; i < METRIC_LABELS_MAX; i++) {
		const struct metric_label *label = l->metric->by[i].label;

		if (!label)
			break;
		fprintf(to, "%s%s=\"%s\"", before, label->name,
			label->value(l->value[i]));
		before = ",";
	}
	if (l->le) {
		fprintf(to, "%sle=\"%s\"", before, l->le);
		before = ",";
	}
	if (*before == ',')
		fputc('}', to);
}

/* In base units, exactly. */
static void print_value(const struct metric *metric, uint64_t value, FILE *to)
{
	if (metric->milliseconds)
		fprintf(to, " %" PRIu64 ".%03u\n", value / 1000,
			(unsigned)(value % 1000));
	else
		fprintf(to, " %" PRIu64 "\n", value);
}

static void print_bucket(struct labels *l, uint64_t count, FILE *to)
{
	fprintf(to, "%s_bucket", l->metric->name);
	print_labels(l, to);
	fprintf(to, " %" PRIu64 "\n", count);
}

static void print_histogram(
	struct labels *l, const struct histogram_values *values, FILE *to)
{
	const double unit = l->metric->milliseconds ? 1e-3 : 1;
	uint64_t count = 0;
	char le[24];

	for (int i = 0; i < HISTOGRAM_BUCKETS; i++) {
		count += values->bucket[i];
		if (i == HISTOGRAM_BUCKETS - 1)
			snprintf(le, sizeof(le), "+Inf");
		else
			snprintf(le, sizeof(le), "%.10g",
				(double)(UINT64_C(1) << i) * unit);
		l->le = le;
		print_bucket(l, count, to);
	}
	l->le = NULL;
	fprintf(to, "%s_sum", l->metric->name);
	print_labels(l, to);
	print_value(l->metric, values->sum, to);
	fprintf(to, "%s_count", l->metric->name);
	print_labels(l, to);
	fprintf(to, " %" PRIu64 "\n", count);
}

static void print_sample(struct labels *l, const void *at, FILE *to)
{
	const struct metric *metric = l->metric;
	uint64_t value;

	if (metric->type == METRIC_HISTOGRAM) {
		print_histogram(l, at, to);
		return;
	}
	value = *(const uint64_t *)at;
	if (value == 0 && metric->sparse)
		return;
	fputs(metric->name, to);
	print_labels(l, to);
	print_value(metric, value, to);
}

/* All samples whose labels before the @i'th are chosen. */
static void print_samples(struct labels *l, int i, const char *at, FILE *to)
{
	const struct metric *metric = l->metric;
	const struct metric_label *label =
		i < METRIC_LABELS_MAX ? metric->by[i].label : NULL;

	if (!label) {
		print_sample(l, at, to);
		return;
	}
	for (unsigned v = 0; v < label->count; v++) {
		if (!label->value(v))
			continue;
		l->value[i] = v;
		print_samples(l, i + 1, at + v * metric->by[i].stride, to);
	}
}

void metrics_print_page(const struct metrics *m, FILE *to)
{
	for (size_t i = 0; i < metrics_table_size; i++) {
		const struct metric *metric = &metrics_table[i];
		struct labels labels = {.metric = metric};

		fprintf(to, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
			metric->help, metric->name, type_names[metric->type]);
		print_samples(&labels, 0, (const char *)m + metric->at, to);
	}
}

/* ---- the table for people ---- */

/* What a label may be; long lists are named by what they are. */
#define VALUES_SHOWN 16

static void print_label_values(const struct metric_label *label, FILE *to)
{
	if (label->count == 1 || label->count > VALUES_SHOWN) {
		fprintf(to, "`%s`", label->name);
		return;
	}
	fprintf(to, "`%s`:", label->name);
	for (unsigned v = 0; v < label->count; v++)
		fprintf(to, "%s %s", v ? "," : "", label->value(v));
}

static void print_row(const struct metric *metric, FILE *to)
{
	fprintf(to, "| `%s` | %s | ", metric->name, type_names[metric->type]);
	for (int i = 0; i < METRIC_LABELS_MAX && metric->by[i].label; i++) {
		fputs(i ? "; " : "", to);
		print_label_values(metric->by[i].label, to);
	}
	fprintf(to, " | %s |\n", metric->help);
}

void metrics_print_table(FILE *to)
{
	fputs("| metric | type | labels | what it is |\n|---|---|---|---|\n",
		to);
	for (size_t i = 0; i < metrics_table_size; i++)
		print_row(&metrics_table[i], to);
}
