/* SPDX-License-Identifier: MIT */
/*
 * Many threads change directories, take, return and lose delegations and end
 * clients, while others deliver. Whatever happens:
 *
 *  - a holder is told exactly the changes it is covered for, in the order in
 *    which they were committed, from its grant until it loses its delegation;
 *  - no change is made while somebody holds a delegation that does not cover
 *    it, and nobody is granted a directory that is being removed;
 *  - sections exclude each other: the logs below have no lock of their own.
 *
 * Directory 0 is the parent of all others, so that moves between a directory
 * and its child meet the child's removal. HERALD_SEED repeats a run.
 */
#include "stage.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rand.h"
#include "state/cbsession.h"

#define DIRS     5
#define CLIENTS  6
#define MUTATORS 3
#define SENDERS  2
#define GRANTERS 2
#define RUN_MS   1500
#define LEASE_MS 400

struct mchange {
	enum change_kind kind;
	uint64_t who; /* client id */
};

/* One directory, for as long as it exists; all are kept until the end. */
struct mdir {
	struct fileid id;
	atomic_bool removed;
	atomic_int n;    /* changes; written in the section only */
	atomic_int done; /* of those: committed for certain */
	int room;
	struct mchange *log; /* written in the section only */
	struct mdir *next;   /* of all */
};

/* One request for a delegation and all its holder was told. */
struct record {
	struct mdir *dir;
	struct client *client;
	struct deleg *d;
	uint32_t kinds;
	bool order_aware;
	int before, after;      /* changes when it was asked for, and granted */
	atomic_int returned;    /* 1 + changes when it was returned in order */
	int *told, count, room; /* by the one sender at a time */
	struct record *next;
};

static struct {
	struct stage st;
	uint64_t seed;
	atomic_bool stop, calm;
	pthread_mutex_t lock; /* all below */
	struct mdir *dir[DIRS], *all_dirs;
	unsigned next_id;
	struct client *client[CLIENTS];
	unsigned clients_made;
	struct record *records;
	struct handed {
		struct deleg *d;
		bool recall;
		struct handed *next;
	} * handed;
	/* Proof that something happened. */
	atomic_int commits, delays, removals, checked;
} g;

/* ---- the cast ---- */

static struct mdir *new_dir(void)
{
	struct mdir *m = calloc(1, sizeof(*m));

	m->id = stage_dir(g.next_id++);
	m->next = g.all_dirs;
	g.all_dirs = m;
	return m;
}

static struct mdir *pick_dir(struct rand_stream *r)
{
	struct mdir *m;

	pthread_mutex_lock(&g.lock);
	m = g.dir[rand_stream_below(r, DIRS)];
	pthread_mutex_unlock(&g.lock);
	return m;
}

/* With a reference. One of them is never heard of again. */
static struct client *pick_client(struct rand_stream *r)
{
	unsigned i = rand_stream_below(r, CLIENTS);
	struct client *c;

	pthread_mutex_lock(&g.lock);
	c = client_ref(g.client[i]);
	pthread_mutex_unlock(&g.lock);
	if (i > 0)
		client_renew(c);
	return c;
}

static void replace_client(struct rand_stream *r)
{
	unsigned i = rand_stream_below(r, CLIENTS);
	char name[16];
	struct client *old;

	pthread_mutex_lock(&g.lock);
	old = g.client[i];
	snprintf(name, sizeof(name), "client-%u", g.clients_made++);
	g.client[i] = stage_client(&g.st, name);
	pthread_mutex_unlock(&g.lock);
	client_end(old, CLIENT_END_ADMIN);
	client_put(old);
}

/* ---- the sender ---- */

static void hand(struct deleg *d, bool recall)
{
	struct handed *h = malloc(sizeof(*h));

	h->d = d;
	h->recall = recall;
	pthread_mutex_lock(&g.lock);
	h->next = g.handed;
	g.handed = h;
	pthread_mutex_unlock(&g.lock);
}

static void hand_notify(void *ctx, struct deleg *d)
{
	hand(d, false);
}

static void hand_recall(void *ctx, struct deleg *d)
{
	hand(d, true);
}

static struct record *record_of(const struct deleg *d)
{
	struct record *rec;

	memcpy(&rec, d->fh, sizeof(rec));
	return rec;
}

static void note_told(struct record *rec, const struct dir_event *e)
{
	struct dir_change c;

	dir_event_read(e, &c);
	if (rec->count == rec->room) {
		rec->room = rec->room * 2 + 16;
		rec->told = realloc(rec->told, rec->room * sizeof(*rec->told));
	}
	rec->told[rec->count++] = c.entry.cookie - 1;
}

static void deliver(struct rand_stream *r, struct deleg *d)
{
	struct dir_event *got[8];
	size_t n = batch_take(d, got, 8);
	size_t sent = n ? 1 + rand_stream_below(r, n) : 0;
	enum batch_result result = BATCH_OK;

	if (!g.calm && rand_stream_below(r, 8) == 0)
		result = BATCH_AGAIN;
	if (!g.calm && rand_stream_below(r, 200) == 0)
		result = BATCH_ERROR + rand_stream_below(r, 2);
	if (g.calm)
		sent = n;
	for (size_t i = 0; i < n; i++) {
		if (result == BATCH_OK && i < sent)
			note_told(record_of(d), got[i]);
		dir_event_put(got[i]);
	}
	batch_done(d, sent, result);
}

/* DELEGRETURN as a client would: until it is not DELAY. */
static void give_back(struct record *rec, struct deleg *d)
{
	int at = rec->dir->done;
	struct state_stats before = stage_stats(&g.st);
	nfsstat4 status;

	status = deleg_return(&d->sid, &rec->dir->id, true);
	if (status == NFS4_OK &&
		before.late_returns == stage_stats(&g.st).late_returns)
		rec->returned = at + 1;
}

static void answer_recall(struct rand_stream *r, struct deleg *d)
{
	struct record *rec = record_of(d);
	unsigned dice = rand_stream_below(r, 20);

	deleg_ref(d);
	if (dice < 14)
		recall_sent(d, RECALL_SENT);
	else
		recall_sent(d, RECALL_RETRY + rand_stream_below(r, 3));
	if (dice < 12)
		give_back(rec, d);
	deleg_put(d);
}

static bool send_one(struct rand_stream *r)
{
	struct handed *h;

	pthread_mutex_lock(&g.lock);
	h = g.handed;
	if (h)
		g.handed = h->next;
	pthread_mutex_unlock(&g.lock);
	if (!h)
		return false;
	if (h->recall)
		answer_recall(r, h->d);
	else
		deliver(r, h->d);
	free(h);
	return true;
}

static void *sender_main(void *arg)
{
	struct rand_stream r = {.state = g.seed + (uintptr_t)arg};

	while (!g.stop) {
		if (!send_one(&r))
			sched_yield();
	}
	return NULL;
}

/* ---- changes ---- */

static bool covers(const struct deleg *d, enum change_kind kind)
{
	return d->granted >> kind & 1;
}

/* Inside the section, admitted: nobody is taken by surprise. */
static void assert_nobody_in_the_way(
	struct node *n, struct client *who, enum change_kind kind)
{
	struct deleg *d;

	lock_acquire(&n->lock);
	list_for_each_entry(d, &n->delegs, on_node)
		assert(d->sid.client == who || covers(d, kind));
	lock_release(&n->lock);
}

static void fill(struct dir_change *c, struct mdir *m, enum change_kind kind,
	struct client *who)
{
	int n = m->n;

	if (n == m->room) {
		m->room = m->room * 2 + 64;
		m->log = realloc(m->log, m->room * sizeof(*m->log));
	}
	m->log[n] = (struct mchange){.kind = kind, .who = who->id};
	m->n = n + 1;
	*c = (struct dir_change){.kind = kind};
	c->entry.name = name_from_str("name");
	c->entry.cookie = n + 1;
	c->old.name = name_from_str("old");
}

static void raise_to(atomic_int *at, int value)
{
	int seen = *at;

	while (seen < value && !atomic_compare_exchange_weak(at, &seen, value))
		;
}

static void commit(struct dirchange *dc, struct mdir *m[2],
	const struct dirchange_plan *plan)
{
	struct dir_change change[2], *changes[2] = {&change[0], &change[1]};
	int64_t now = clock_file_ns(&g.st.w.clock);
	int n = dc->dir[1] ? 2 : 1;

	for (int i = 0; i < n; i++) {
		assert_nobody_in_the_way(dc->dir[i], dc->who, plan->kind[i]);
		fill(&change[i], m[i], plan->kind[i], dc->who);
	}
	dirchange_commit(dc, changes, (int64_t[2]){now, now});
	for (int i = 0; i < n; i++)
		raise_to(&m[i]->done, (int)change[i].entry.cookie);
	atomic_fetch_add(&g.commits, 1);
}

/* True when the caller should wait and try again. */
static bool attempt(struct rand_stream *r, struct dirchange *dc,
	struct client *who, struct mdir *m[2], struct dirchange_plan *plan)
{
	const struct fileid *b = m[1] ? &m[1]->id : NULL;

	if (dirchange_begin(dc, g.st.w.state, who, &m[0]->id, b) != NFS4_OK)
		return false;
	plan->ctime_ns[0] = plan->ctime_ns[1] = clock_file_ns(&g.st.w.clock);
	if (m[0]->removed || (m[1] && m[1]->removed)) {
		dirchange_abort(dc); /* the dry check says so */
		return false;
	}
	if (dirchange_admit(dc, plan) != NFS4_OK) {
		dirchange_abort(dc);
		return true;
	}
	if (rand_stream_below(r, 10) == 0)
		dirchange_abort(dc); /* the store said no */
	else
		commit(dc, m, plan);
	return false;
}

static void run_change(struct rand_stream *r, struct client *who,
	struct mdir *m[2], struct dirchange_plan *plan)
{
	struct dirchange dc = {0};

	while (attempt(r, &dc, who, m, plan)) {
		atomic_fetch_add(&g.delays, 1);
		if (!dirchange_wait(&dc))
			return;
	}
}

static void change_one(struct rand_stream *r, struct client *who)
{
	struct mdir *m[2] = {pick_dir(r), NULL};
	struct dirchange_plan plan = {.exact = {true, true}};

	plan.kind[0] = CHANGE_REMOVE_ENTRY + rand_stream_below(r, 3);
	run_change(r, who, m, &plan);
}

static void move_one(struct rand_stream *r, struct client *who)
{
	struct mdir *m[2] = {pick_dir(r), pick_dir(r)};
	struct dirchange_plan plan = {
		.kind = {CHANGE_REMOVE_ENTRY, CHANGE_ADD_ENTRY},
		.exact = {true, true},
	};

	if (m[0] == m[1]) {
		m[1] = NULL;
		plan.kind[0] = CHANGE_RENAME_ENTRY;
	}
	run_change(r, who, m, &plan);
}

static void assert_nobody_else_holds(struct node *n, struct client *who)
{
	struct deleg *d;

	lock_acquire(&n->lock);
	assert(n->dying);
	list_for_each_entry(d, &n->delegs, on_node)
		assert(d->sid.client == who);
	lock_release(&n->lock);
}

/* RMDIR of a child of directory 0; another takes its place. */
static void remove_one(struct rand_stream *r, struct client *who)
{
	unsigned i = 1 + rand_stream_below(r, DIRS - 1);
	struct mdir *m[2] = {NULL, NULL}, *victim;
	struct dirchange_plan plan = {
		.kind = {CHANGE_REMOVE_ENTRY}, .victim_is_dir = true};
	struct dirchange dc = {0};

	pthread_mutex_lock(&g.lock);
	m[0] = g.dir[0];
	victim = g.dir[i];
	pthread_mutex_unlock(&g.lock);
	plan.victim = &victim->id;
	for (;;) {
		if (dirchange_begin(&dc, g.st.w.state, who, &m[0]->id, NULL) !=
			NFS4_OK)
			return;
		if (victim->removed) {
			dirchange_abort(&dc);
			return;
		}
		if (dirchange_admit(&dc, &plan) == NFS4_OK)
			break;
		dirchange_abort(&dc);
		if (!dirchange_wait(&dc))
			return;
	}
	assert_nobody_else_holds(dc.victim, who);
	victim->removed = true;
	commit(&dc, m, &plan);
	pthread_mutex_lock(&g.lock);
	g.dir[i] = new_dir();
	pthread_mutex_unlock(&g.lock);
	atomic_fetch_add(&g.removals, 1);
}

static void *mutator_main(void *arg)
{
	struct rand_stream r = {.state = g.seed + (uintptr_t)arg};

	while (!g.stop) {
		struct client *who = pick_client(&r);
		unsigned dice = rand_stream_below(&r, 100);

		if (dice < 50)
			change_one(&r, who);
		else if (dice < 98)
			move_one(&r, who);
		else
			remove_one(&r, who);
		client_put(who);
	}
	return NULL;
}

/* ---- grants and ends ---- */

static const uint32_t asks[] = {ASK_ALL, ASK_ALL, ASK_ALL, ASK_CLASSIC,
	ASK_CLASSIC, ASK_ADD, ASK_REMOVE | ASK_ADD, ASK_NOTHING};

static void request(struct rand_stream *r, struct client *c)
{
	struct record *rec = calloc(1, sizeof(*rec));
	uint32_t ask = asks[rand_stream_below(r, 8)];
	struct dirdeleg_request request;
	struct dirdeleg_grant grant;

	stage_request(&request, ask);
	request.fh = (const uint8_t *)&rec;
	request.fh_len = sizeof(rec);
	rec->dir = pick_dir(r);
	rec->client = client_ref(c);
	rec->kinds = ask & 0x1c;
	rec->order_aware = !(ask & 1u << NOTIFY4_GFLAG_EXTEND);
	rec->before = rec->dir->done;
	dirdeleg_grant(c, &rec->dir->id, &request, &grant);
	rec->after = rec->dir->n;
	if (grant.granted) {
		struct stateid *sid;

		/* It may be gone by now. */
		stateid_lookup(c, &grant.stateid, STATEID_DELEG_DIR, &sid);
		rec->d = sid ? deleg_of(sid) : NULL;
	} else {
		client_put(rec->client);
		free(rec);
		return;
	}
	pthread_mutex_lock(&g.lock);
	rec->next = g.records;
	g.records = rec;
	pthread_mutex_unlock(&g.lock);
}

/* A record with a delegation that the caller may do something to. */
static struct record *pick_record(struct rand_stream *r)
{
	struct record *rec;

	pthread_mutex_lock(&g.lock);
	rec = g.records;
	for (unsigned skip = rand_stream_below(r, 30); rec && skip; skip--)
		rec = rec->next;
	pthread_mutex_unlock(&g.lock);
	return rec && rec->d ? rec : NULL;
}

static void *granter_main(void *arg)
{
	struct rand_stream r = {.state = g.seed + (uintptr_t)arg};
	struct record *rec;

	while (!g.stop) {
		struct client *c = pick_client(&r);
		unsigned dice = rand_stream_below(&r, 1000);

		if (dice < 800)
			request(&r, c);
		else if (dice < 970 && (rec = pick_record(&r)))
			give_back(rec, rec->d);
		else if (dice < 980 && (rec = pick_record(&r)))
			deleg_revoke(rec->d, STATEID_ADMIN_REVOKED, dice & 1);
		else if (dice < 990 && (rec = pick_record(&r)))
			recall_start(rec->d, RECALL_ADMIN);
		else if (dice < 995)
			deleg_forget(c, &pick_dir(&r)->id);
		else if (dice < 997)
			replace_client(&r);
		client_put(c);
		sched_yield();
	}
	return NULL;
}

static void *ticker_main(void *arg)
{
	struct timespec pause = {.tv_nsec = 500000};

	while (!g.stop) {
		stage_pass(&g.st, 3);
		nanosleep(&pause, NULL);
	}
	return NULL;
}

/* ---- the verdict ---- */

/* The first change at or after @at that the holder is told; n when none. */
static int next_told(const struct record *rec, int at)
{
	const struct mdir *m = rec->dir;
	int n = m->n;

	for (; at < n; at++) {
		const struct mchange *c = &m->log[at];
		bool own = c->who == rec->client->id;

		if (rec->kinds >> c->kind & 1 && (!own || rec->order_aware))
			return at;
	}
	return n;
}

static bool is_live_and_told(struct deleg *d)
{
	return (d->state == DELEG_ACTIVE || d->state == DELEG_RECALLED) &&
		!notifyq_is_stopped(&d->queue);
}

static void check_record(struct record *rec)
{
	int at;

	for (int i = 0; i < rec->count; i++) {
		if (i > 0) {
			at = next_told(rec, rec->told[i - 1] + 1);
			assert_int_equal(rec->told[i], at);
			continue;
		}
		/* Granted somewhere between `before` and `after`. */
		assert_true(rec->told[0] >= rec->before);
		at = next_told(rec, rec->told[0]);
		assert_int_equal(rec->told[0], at);
		if (rec->told[0] > rec->after)
			assert_int_equal(
				next_told(rec, rec->after), rec->told[0]);
	}
	at = rec->count ? rec->told[rec->count - 1] + 1 : rec->after;
	if (rec->d && is_live_and_told(rec->d))
		assert_int_equal(next_told(rec, at), rec->dir->n);
	/* Unless something stopped the queue before. */
	if (rec->returned && rec->d && !rec->d->recall_until)
		assert_true(next_told(rec, at) >= rec->returned - 1);
	atomic_fetch_add(&g.checked, rec->count);
}

static void free_records(void)
{
	struct record *rec;

	while ((rec = g.records)) {
		g.records = rec->next;
		if (rec->d)
			deleg_put(rec->d);
		client_put(rec->client);
		free(rec->told);
		free(rec);
	}
}

static void free_dirs(void)
{
	struct mdir *m;

	while ((m = g.all_dirs)) {
		g.all_dirs = m->next;
		free(m->log);
		free(m);
	}
}

static void begin(void)
{
	const char *seed = getenv("HERALD_SEED");

	g.seed = seed ? strtoull(seed, NULL, 0) : rand_u64();
	printf("HERALD_SEED=%llu\n", (unsigned long long)g.seed);
	pthread_mutex_init(&g.lock, NULL);
	stage_prepare(&g.st);
	g.st.w.config.ops.send_notify = hand_notify;
	g.st.w.config.ops.send_recall = hand_recall;
	g.st.back_request = 4096;          /* so that batches get full */
	g.st.w.config.max_dir_delegs = 12; /* reached now and then */
	g.st.w.config.lease_ms = LEASE_MS;
	g.st.w.config.recall_wait_ms = 2;
	g.st.w.config.notify_window_ms = 5;
	g.st.w.config.notify_max_events = 200;
	stage_start(&g.st);
	for (int i = 0; i < DIRS; i++)
		g.dir[i] = new_dir();
	for (int i = 0; i < CLIENTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "client-%u", g.clients_made++);
		g.client[i] = stage_client(&g.st, name);
	}
}

static void run_threads(void)
{
	void *(*mains[])(void *) = {mutator_main, mutator_main, mutator_main,
		sender_main, sender_main, granter_main, granter_main,
		ticker_main};
	pthread_t thread[sizeof(mains) / sizeof(mains[0])];
	struct timespec pause = {
		.tv_sec = RUN_MS / 1000, .tv_nsec = RUN_MS % 1000 * 1000000};
	size_t n = sizeof(mains) / sizeof(mains[0]);

	for (size_t i = 0; i < n; i++)
		pthread_create(&thread[i], NULL, mains[i], (void *)(i + 1));
	nanosleep(&pause, NULL);
	g.stop = true;
	for (size_t i = 0; i < n; i++)
		pthread_join(thread[i], NULL);
}

/* Deliver everything that is left. */
static void settle(void)
{
	struct rand_stream r = {.state = g.seed};

	g.calm = true;
	for (int i = 0; i < 40; i++) {
		for (int k = 0; k < CLIENTS; k++)
			client_renew(g.client[k]);
		stage_pass(&g.st, 50);
		while (send_one(&r))
			;
	}
}

static void test_stress(void **state)
{
	struct state_stats stats;

	begin();
	run_threads();
	settle();
	for (struct record *rec = g.records; rec; rec = rec->next)
		check_record(rec);
	stats = stage_stats(&g.st);
	printf("commits=%d delays=%d removals=%d grants=%llu events=%llu "
	       "checked=%d revocations=%llu\n",
		g.commits, g.delays, g.removals,
		(unsigned long long)stats.grants,
		(unsigned long long)stats.events, g.checked,
		(unsigned long long)stats.revocations);
	for (int i = 0; i < RECALL_REASONS; i++)
		printf("recalls reason=%s %llu\n", recall_reason_name(i),
			(unsigned long long)stats.recalls_by_reason[i]);
	assert_true(g.commits > 0 && g.checked > 0);
	for (int i = 0; i < CLIENTS; i++)
		client_put(g.client[i]);
	free_records();
	stage_fini(&g.st);
	assert_null(g.handed);
	free_dirs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_stress)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
