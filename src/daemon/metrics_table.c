/* SPDX-License-Identifier: MIT */
/*
 * Every metric there is. Names: one prefix, base units, `_total` for what only
 * grows; files and directories share theirs (DD-18). Labels have few values,
 * known beforehand: nothing a client says ever becomes one.
 */
#include "daemon/metrics.h"

#include "nfs/count.h"
#include "state/deleg.h"

/* ---- labels ---- */

static const char *version(unsigned i)
{
	return HERALD_VERSION;
}

static const char *type(unsigned i)
{
	return deleg_type_name(i);
}

static const char *refusal(unsigned i)
{
	return deleg_refusal_name(i);
}

static const char *reason(unsigned i)
{
	return recall_reason_name(i);
}

static const char *kind(unsigned i)
{
	return change_kind_name(i);
}

static const char *overflow(unsigned i)
{
	return deleg_overflow_name(i);
}

static const char *use(unsigned i)
{
	return dirmemory_use_name(i);
}

static const char *operation(unsigned i)
{
	return count_operation_name(i);
}

static const char *status(unsigned i)
{
	return count_status_name(i);
}

static const char *callback(unsigned i)
{
	return count_callback_name(i);
}

static const char *answer(unsigned i)
{
	return count_answer_name(i);
}

static const char *call(unsigned i)
{
	return store_call_name(i);
}

static const struct metric_label by_version = {"version", 1, version};
static const struct metric_label by_type = {"type", DELEG_TYPES, type};
static const struct metric_label by_refusal = {
	"reason", DELEG_REFUSALS, refusal};
static const struct metric_label by_reason = {"reason", RECALL_REASONS, reason};
static const struct metric_label by_kind = {"kind", CHANGE_KINDS, kind};
static const struct metric_label by_overflow = {
	"cause", DELEG_OVERFLOWS, overflow};
static const struct metric_label by_use = {"use", DIRMEMORY_USES, use};
static const struct metric_label by_operation = {
	"operation", COUNT_OPERATIONS, operation};
static const struct metric_label by_status = {"status", COUNT_STATUSES, status};
static const struct metric_label by_callback = {
	"operation", COUNT_CALLBACKS, callback};
static const struct metric_label by_answer = {"answer", COUNT_ANSWERS, answer};
static const struct metric_label by_call = {"call", STORE_CALLS, call};

/* ---- the table ---- */

/* A member's place; its values must have 64 bits, or this divides by 0. */
#define IS_64_BITS(x) (sizeof(x) % sizeof(uint64_t) == 0)
#define AT(member)                               \
	.at = offsetof(struct metrics, member) / \
		IS_64_BITS(((struct metrics *)0)->member)
#define COUNTER   .type = METRIC_COUNTER
#define GAUGE     .type = METRIC_GAUGE
#define HISTOGRAM .type = METRIC_HISTOGRAM
#define VALUES    sizeof(uint64_t)

#define SECONDS .milliseconds = true

#define BY(label_, stride_)             \
	{                               \
		&by_##label_, (stride_) \
	}
#define BY_TYPE BY(type, sizeof(struct deleg_type_stats))

const struct metric metrics_table[] = {
	{"herald_build_info", "Always 1; the label says which version runs.",
		GAUGE, AT(one), .by = {BY(version, VALUES)}},
	{"herald_start_time_seconds",
		"When the server started, since the epoch.", GAUGE,
		AT(started_s)},

	{"herald_delegations_outstanding",
		"Delegations that clients hold, those being recalled included.",
		GAUGE, AT(delegs.type[0].outstanding), .by = {BY_TYPE}},
	{"herald_delegations_limit",
		"The most there may be; 0: there are none.", GAUGE,
		AT(deleg_limits), .by = {BY(type, VALUES)}},
	{"herald_delegation_memory_bytes",
		"Memory that directory delegations take.", GAUGE,
		AT(deleg_bytes), .by = {BY(use, VALUES)}},
	{"herald_delegation_memory_limit_bytes",
		"The most it may be; then none is granted.", GAUGE,
		AT(deleg_bytes_limit)},
	{"herald_delegations_being_recalled",
		"Delegations recalled and neither returned nor revoked yet.",
		GAUGE, AT(delegs.type[0].being_recalled), .by = {BY_TYPE}},
	{"herald_delegations_granted_total", "Delegations granted.", COUNTER,
		AT(delegs.type[0].granted), .by = {BY_TYPE}},
	{"herald_delegations_refused_total",
		"Requests for a delegation that were answered \"not now\".",
		COUNTER, AT(delegs.type[0].refused),
		.by = {BY_TYPE, BY(refusal, VALUES)}},
	{"herald_delegations_recalled_total", "Recalls begun.", COUNTER,
		AT(delegs.type[0].recalled),
		.by = {BY_TYPE, BY(reason, VALUES)}},
	{"herald_delegations_revoked_total",
		"Delegations taken away because they were not returned in "
		"time.",
		COUNTER, AT(delegs.type[0].revoked), .by = {BY_TYPE}},
	{"herald_delegation_recall_duration_seconds",
		"From the beginning of a recall to the return or revocation.",
		HISTOGRAM, AT(delegs.type[0].recall_ms), .by = {BY_TYPE},
		SECONDS},
	{"herald_delegation_late_returns_total",
		"Returns accepted although a notification was not delivered.",
		COUNTER, AT(delegs.type[0].late_returns), .by = {BY_TYPE}},

	{"herald_notification_events_total",
		"Changes put into queues, once for each holder that is told.",
		COUNTER, AT(delegs.queued), .by = {BY(kind, VALUES)}},
	{"herald_notification_entries_total",
		"Changes delivered in CB_NOTIFYs that clients answered OK.",
		COUNTER, AT(delegs.entries), .by = {BY(kind, VALUES)}},
	{"herald_notification_encodings_total",
		"Changes encoded: once for holders with the same terms.",
		COUNTER, AT(delegs.encodings)},
	{"herald_notification_batch_events",
		"Changes in each CB_NOTIFY that was answered OK.", HISTOGRAM,
		AT(delegs.batch_events)},
	{"herald_notification_send_delay_seconds",
		"From a change to the CB_NOTIFY with it, batch window "
		"included.",
		HISTOGRAM, AT(delegs.sent_ms), SECONDS},
	{"herald_notification_answer_delay_seconds",
		"From a change to the client's answer.", HISTOGRAM,
		AT(delegs.answered_ms), SECONDS},
	{"herald_notification_queue_bytes",
		"Memory of changes that wait for delivery.", GAUGE,
		AT(state.notify_bytes)},
	{"herald_notification_overflows_total",
		"Changes that could not be queued or sent: each is a recall.",
		COUNTER, AT(delegs.overflows), .by = {BY(overflow, VALUES)}},

	{"herald_local_events_total",
		"Changes by other processes of this host that were looked "
		"into.",
		COUNTER, AT(watch.reports)},
	{"herald_local_own_events_total",
		"Reports of the kernel about the server's own changes.",
		COUNTER, AT(watch.own)},
	{"herald_local_overflows_total",
		"Times the kernel lost reports and all directories were "
		"checked.",
		COUNTER, AT(watch.lost)},
	{"herald_local_marks",
		"Objects marked to hear of other processes' changes.", GAUGE,
		AT(watch.marks)},
	{"herald_local_marks_limit", "The most there may be; 0: no limit.",
		GAUGE, AT(watch.max_marks)},
	{"herald_local_marks_refused_total",
		"Objects that could not be marked for want of room.", COUNTER,
		AT(watch.refused)},

	{"herald_callbacks_total", "Callbacks, by how they ended.", COUNTER,
		AT(callbacks),
		.by = {BY(callback, COUNT_ANSWERS *VALUES),
			BY(answer, VALUES)}},
	{"herald_operations_total",
		"Operations of clients' compounds, by how they ended.", COUNTER,
		AT(operations),
		.by = {BY(operation, COUNT_STATUSES *VALUES),
			BY(status, VALUES)},
		.sparse = true},

	{"herald_clients", "Clients known.", GAUGE, AT(state.clients)},
	{"herald_sessions", "Sessions of clients.", GAUGE, AT(state.sessions)},
	{"herald_opens", "Files that clients have open.", GAUGE,
		AT(state.opens)},
	{"herald_lock_ranges", "Byte ranges that clients have locked.", GAUGE,
		AT(state.locks)},
	{"herald_stateids", "Opens, lock owners and delegations together.",
		GAUGE, AT(state.stateids)},
	{"herald_nodes", "Files and directories with state or a recent change.",
		GAUGE, AT(state.nodes)},
	{"herald_replay_cache_bytes",
		"Replies kept for clients that ask again.", GAUGE,
		AT(state.replay_bytes)},
	{"herald_listing_index_bytes", "Memory of cached directory listings.",
		GAUGE, AT(index.bytes)},
	{"herald_listing_index_directories",
		"Directories with a cached listing.", GAUGE,
		AT(index.directories)},
	{"herald_listing_index_fills_total", "Directories read from disk.",
		COUNTER, AT(index.fills)},
	{"herald_listing_index_hits_total",
		"Listings served without reading the directory.", COUNTER,
		AT(index.hits)},
	{"herald_listing_index_evictions_total",
		"Listings dropped to keep to the memory limit.", COUNTER,
		AT(index.evictions)},

	{"herald_connections", "Connections of clients.", GAUGE,
		AT(rpc.connections)},
	{"herald_connections_limit", "The most there may be.", GAUGE,
		AT(rpc.connections_max)},
	{"herald_connections_refused_total",
		"Connections closed at once: there were too many.", COUNTER,
		AT(rpc.connections_refused)},
	{"herald_connections_idle_closed_total",
		"Connections closed because nothing came.", COUNTER,
		AT(rpc.idle_closed)},
	{"herald_connections_stuck_closed_total",
		"Connections closed because a message stood still for a "
		"lease.",
		COUNTER, AT(rpc.stuck_closed)},
	{"herald_connections_arrears_closed_total",
		"Connections closed because peers owed too much in all.",
		COUNTER, AT(rpc.arrears_closed)},
	{"herald_connections_arrears_bytes",
		"Memory of replies not read yet and requests not whole yet.",
		GAUGE, AT(rpc.arrears)},
	{"herald_connections_arrears_limit_bytes", "The most it may be.", GAUGE,
		AT(rpc.arrears_max)},
	{"herald_accept_pauses_total",
		"Times without a descriptor for a new connection.", COUNTER,
		AT(rpc.accept_pauses)},
	{"herald_rpc_calls_total", "RPC calls received.", COUNTER,
		AT(rpc.calls)},
	{"herald_rpc_replies_total", "RPC replies sent.", COUNTER,
		AT(rpc.replies)},
	{"herald_rpc_calls_running", "RPC calls being served.", GAUGE,
		AT(rpc.calls_running)},
	{"herald_rpc_records_refused_total",
		"Records that were too large or no RPC.", COUNTER,
		AT(rpc.records_refused)},
	{"herald_worker_threads", "Worker threads.", GAUGE, AT(rpc.threads)},
	{"herald_worker_threads_limit", "The most there may be.", GAUGE,
		AT(rpc.threads_max)},
	{"herald_worker_permits_taken", "Calls that may wait for a disk now.",
		GAUGE, AT(rpc.permits_taken)},
	{"herald_worker_permits_limit", "The most there may be.", GAUGE,
		AT(rpc.permits)},

	{"herald_store_calls_total", "Calls of the file system.", COUNTER,
		AT(store[0].calls),
		.by = {BY(call, sizeof(struct store_call_stats))},
		.sparse = true},
	{"herald_store_failures_total",
		"Those that failed, for whatever reason: most are just "
		"answers.",
		COUNTER, AT(store[0].failures),
		.by = {BY(call, sizeof(struct store_call_stats))},
		.sparse = true},
};

const size_t metrics_table_size =
	sizeof(metrics_table) / sizeof(metrics_table[0]);
