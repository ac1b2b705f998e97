/* SPDX-License-Identifier: MIT */
/*
 * The property test of directory delegations: clients on threads of their own
 * do random things in a few directories and hold delegations there. The spy
 * knows what really happened, in order; at quiet points what each holder was
 * told must be exactly that, its model what another client lists, and each
 * recall must have its reason. A run has phases, each with a fresh server, its
 * own weather and clients that want other things; a phase has periods, each
 * with a quiet point at its end.
 *
 *	prop_main	options, periods and phases
 *	prop_weather	what a phase is like, and what goes wrong on purpose
 *	prop_peer	clients and their threads
 *	prop_names	names, also those that collide
 *	prop_terms	what a client wants of a delegation
 *	prop_ops	one random operation
 *	prop_hold	delegations: asking, filling models
 *	prop_called	... callbacks
 *	prop_return	... returning, and being revoked
 *	prop_form	what the event of a change must be
 *	prop_match	events of a holder against the spy's changes
 *	prop_attrs	attributes it was told against those that are true
 *	prop_recall	why it was recalled
 *	prop_probe	waiting until everything is told
 *	prop_quiet	quiet points: everything told? then checks
 *	prop_actor	who changes the same directories behind the server's back
 *	prop_deeds	... and how
 *	prop_report	counts, and what the test did
 */
#ifndef TESTS_PROP_H
#define TESTS_PROP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/list.h"
#include "base/rand.h"
#include "client/dircache.h"
#include "client/nfsc_files.h"
#include "client/nfsc_ops.h"
#include "prop_actor.h"
#include "spy.h"
#include "state/deleg.h"
#include "testserver.h"

#define PEERS   4
#define TOPS    8
#define EXPORTS 2 /* of the same files, with --overlap */
#define NAMES   20
/* Of those: two that share a cookie with others, in a narrow hash. */
#define RARE 2
/* Made and removed at quiet points: through NFS, and behind its back. */
#define NAME_QUIET NAMES
#define NAME_LOCAL (NAMES + 1)
#define ALL_NAMES  (NAMES + 2)

/* Directories by what is wanted and done there, see prop_terms.c. */
#define TOP_SETATTR 5 /* its own attributes change now and then */
#define TOP_PARTIAL 6 /* not all want to hear of all changes */
#define TOP_RECALL  7 /* some want to hear of none */

_Static_assert(LOCAL_TOPS == TOPS && LOCAL_NAMES == ALL_NAMES, "the same");

/* ---- weather ---- */

/* What a client does on purpose. */
enum mischief {
	/* Of callbacks: */
	MISCHIEF_LATE,       /* answered late */
	MISCHIEF_DELAY,      /* answered DELAY */
	MISCHIEF_SEQ_DELAY,  /* CB_SEQUENCE, too */
	MISCHIEF_NOTSUPP,    /* CB_NOTIFY is refused */
	MISCHIEF_DROP,       /* not served, and the connection is closed */
	MISCHIEF_DROP_AFTER, /* served, and closed instead of an answer */
	MISCHIEF_SILENT,     /* never answered */
	/* Between its operations: */
	MISCHIEF_LOSE,    /* the connection is lost */
	MISCHIEF_REBIND,  /* it is bound once more */
	MISCHIEF_PART,    /* not to be reached for a while */
	MISCHIEF_EXPIRE,  /* ... until its lease is over */
	MISCHIEF_NEGLECT, /* does not return what is recalled */
	MISCHIEFS
};

struct weather {
	uint32_t window_ms;
	uint32_t queue_events; /* 0: as many as usual */
	uint32_t max_delegs;   /* same */
	uint32_t memory;       /* bytes; same */
	bool store_fails;
	bool reports_lost; /* of local changes, on the memory store */
	uint16_t permille[PEERS][MISCHIEFS];
};

/* ---- terms ---- */

/* What a client wants; chosen per client and directory for a phase. */
struct terms {
	bool ask;
	bool extend, order; /* the flags */
	uint32_t kinds;     /* 1 << enum change_kind */
};

/* ---- holds ---- */

/* Of each client: up to where its changes are known to be over. */
struct moment {
	uint64_t done[PEERS];
	uint64_t seq;
};

struct event {
	struct list link;
	struct dircache_change change; /* its strings are in bytes */
	bool applied;                  /* to the hold's model */
	char bytes[];
};

enum hold_state {
	HOLD_ASKING,
	HOLD_LIVE,
	HOLD_RECALLED, /* the returner will see to it */
	HOLD_RETURNING,
	HOLD_NEGLECTED, /* until it is revoked */
	HOLD_ENDED,
};

/* What would explain a recall, found out at quiet points. */
enum evidence {
	EVIDENCE_UNCOVERED = 1 << 0, /* a change of a kind it does not hear */
	EVIDENCE_MOVED = 1 << 1,     /* a verifier */
	EVIDENCE_DOOMED = 1 << 2,    /* somebody was about to remove it */
	EVIDENCE_SET = 1 << 3,       /* ... to set its own attributes */
	EVIDENCE_LOCAL = 1 << 4,     /* an uncovered local change */
};

/* Of an entry of a model. */
struct known {
	uint64_t snap;    /* seq of which its attributes are */
	int64_t since_ns; /* the beginning of that period */
	bool unsure;      /* its attributes, after a change of its own */
	bool linked;      /* by others, where nobody may have seen it */
};

struct hold {
	struct list link; /* peer's; under its lock */
	struct peer *peer;
	int top; /* index, or -1 */
	int via; /* export */
	struct nfsc_fh fh;
	struct fileid dir;
	uint64_t inode; /* of it */
	struct terms terms;
	struct nfsc_deleg_want want;
	struct nfsc_deleg deleg;
	/* Under the peer's lock. */
	enum hold_state state;
	bool recalled;
	int reason;      /* enum recall_reason; -1: not known */
	int on_its_way;  /* that of the server at the quiet point; -1: none */
	bool lost;       /* ended without DELEGRETURN in time: no tail */
	bool probed;     /* this quiet point made changes that it hears of */
	bool quiet_told; /* ... and was told of the last one */
	bool local_probed, local_made, local_unmade; /* the same, locally */
	struct list events;
	unsigned nentries;     /* of them: changes of entries */
	struct dircache *live; /* ordered ones: fed as events come */
	bool contradicted;     /* ... and did not fit */
	/* The directory's own attributes, as last told. */
	struct attr dir_attr;
	bitmap4 dir_mask;
	/* The grant, and the end, as far as they are known. */
	uint64_t born; /* seq before it was asked for */
	struct moment asked;
	uint64_t granted; /* seq */
	struct moment returning;
	uint64_t returned; /* seq */
	/* The op thread's, then the quiet point's. */
	struct dircache *model;
	bool usable; /* was filled */
	bool settled;
	bool unsure;  /* of cookies, after its own change moved some */
	bool counted; /* its recall */
	unsigned evidence;
	struct known known[ALL_NAMES];
	uint64_t filled; /* seq when its listing began */
	uint64_t looked; /* seq when it last knew what it did itself */
};

struct peer {
	struct world *world;
	int index;
	struct nfsc_net *net; /* a machine of its own */
	struct nfsc *client;
	struct rand_stream rand;
	int via; /* the export that it changes things through, this phase */
	pthread_t thread, returner;
	pthread_mutex_t lock;
	pthread_cond_t work; /* a recall for the returner, or stop */
	bool stop;
	struct list holds; /* under lock */
	struct nfsc_opened writing;
	bool is_writing;
	atomic_bool revoked;    /* some state of it was, says the server */
	atomic_bool give_some;  /* CB_RECALL_ANY came */
	atomic_uint expiries;   /* this phase */
	atomic_uint silences;   /* same */
	atomic_ullong mischief; /* how much of it, this phase */
	uint64_t changes;       /* made by it, as replies say, this period */
	_Atomic uint64_t done;
};

/* ---- the world ---- */

struct counts {
	uint64_t changes, changes_seen;
	uint64_t fair_changes, fair_changes_seen; /* weather_lets_hold() */
	uint64_t events[CHANGE_KINDS];
	uint64_t models, listings, entries, attrs, dir_attrs;
	uint64_t recalls[RECALL_REASONS];
	uint64_t quiet_points, verifier_moves;
	uint64_t local_acts, local_told;
	uint64_t ambiguous; /* models given up: match_is_ambiguous() */
};

struct options {
	const char *posix_path;
	uint64_t seed, ops;
	unsigned ops_per_period, periods_per_phase;
	const char *fault;
	bool overlap; /* two exports of the same files */
	bool local;   /* others change them behind the server's back */
	bool narrow;  /* the cookie hash has 8 bits */
	bool verbose;
};

struct world {
	struct options options;
	struct testserver server;
	struct weather weather;
	struct peer peers[PEERS];
	struct nfsc *referee; /* makes directories, quiet points */
	struct nfsc_fh roots[EXPORTS], tops[EXPORTS][TOPS];
	struct terms terms[PEERS][TOPS];
	char names[ALL_NAMES][NAME_LEN_MAX + 1];
	pthread_barrier_t barrier;
	bool over; /* read by peers after the barrier */
	unsigned period, phase;
	int64_t began_ns; /* this period, by the clock that stamps files */
	struct counts counts;
	/* Of this phase: recalls by reason, and ends that may have been. */
	uint64_t recalls_seen[RECALL_REASONS], recalls_maybe;
	atomic_ullong ops, ops_failed, ops_watched, grants, refusals, returns;
	atomic_ullong fair_ops, fair_ops_watched;
	atomic_ullong revoked, late_returns;
	atomic_ullong mischief[MISCHIEFS];
};

/* The test failed: say why, with the seed, and end it. */
_Noreturn void prop_fail(const struct world *w, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct fileid prop_fileid(struct world *w, const struct nfsc_fh *fh);

/* Its inode number, asked of the store itself; 0: it is gone. */
uint64_t prop_inode(struct world *w, const struct fileid *id);

uint64_t prop_below(struct peer *p, uint64_t bound);

/* ---- prop_weather ---- */

/* Is @name one of a run's faults? */
bool weather_is_known(const char *fault);

/* What the next phase will be like. */
void weather_choose(struct world *w, struct rand_stream *rand);

/* What the server is told of it. */
void weather_configure(const struct weather *weather, struct state_config *c);

/* Is this weather in which holders keep what they hold, mostly? */
bool weather_lets_hold(const struct world *w);

/* Does this client misbehave in this phase? */
bool weather_has(const struct peer *p, enum mischief m);

/* ... in any way that shows in its callbacks? */
bool weather_is_rough(const struct peer *p);

/* May recalls happen to this client that a healthy one never sees? */
bool weather_is_lenient(const struct peer *p);

/* Roll dice; true: do it, and it is counted. Any thread. */
bool weather_strikes(struct peer *p, enum mischief m);

/* A callback's, see nfsc_cb_hook. */
enum nfsc_cb_action weather_mistreat(
	void *peer, const CB_COMPOUND4args *args, nfsstat4 *status);

/* What a client does to itself, or to the store, between operations. */
void weather_disturb(struct peer *p);

/* From now on nothing goes wrong in the store. */
void weather_calm_store(struct world *w);

/* ---- prop_peer ---- */

/* Threads, for the whole run; they wait at the world's barrier. */
void peer_start(struct world *w, int index);
void peer_stop(struct peer *p);

/* The clients of a phase. */
void peer_connect(struct peer *p);
void peer_leave(struct peer *p);
struct nfsc *peer_connect_as(struct world *w, uint32_t uid, struct peer *p);

/* ---- prop_names ---- */

void names_choose(struct world *w);
struct name prop_name(const struct world *w, int i);

/* The index of a name, or -1. */
int prop_name_index(const struct world *w, struct name name);

/* ---- prop_terms ---- */

/* What each client will want in each directory of a phase. */
void terms_choose(struct world *w, struct rand_stream *rand);

/* The same for a directory that comes and goes. */
struct terms terms_random(struct rand_stream *rand);

/* The request of @h, with attributes that it makes up. */
void terms_make_want(struct hold *h);

/* We get what we ask for, as far as the server has it. */
void terms_check_grant(const struct hold *h);

/* Cookies and positions are told, and own changes. */
static inline bool terms_are_ordered(const struct terms *t)
{
	return t->order || !t->extend;
}

/* Every change of an entry is told. */
static inline bool terms_have_entries(const struct terms *t)
{
	const uint32_t all = 1 << CHANGE_ADD_ENTRY | 1 << CHANGE_REMOVE_ENTRY |
		1 << CHANGE_RENAME_ENTRY;

	return (t->kinds & all) == all;
}

/* ---- prop_ops ---- */

void ops_random(struct peer *p);

/* Nothing stays open. */
void ops_finish(struct peer *p);

/* ---- prop_hold ---- */

/* Was this hold granted this kind of change? */
static inline bool hold_covers(const struct hold *h, enum change_kind kind)
{
	return bitmap4_has(&h->deleg.types, kind);
}

/* Does it hear of what a quiet point does? */
static inline bool hold_is_probed(const struct hold *h)
{
	return hold_covers(h, CHANGE_ADD_ENTRY) &&
		hold_covers(h, CHANGE_REMOVE_ENTRY);
}

static inline bool hold_is_ordered(const struct hold *h)
{
	return terms_are_ordered(&h->terms);
}

/*
 * Did its own client change this? What one does through another export it must
 * hear of as of anybody's.
 */
static inline bool hold_is_own(const struct hold *h, int who)
{
	return who == h->peer->index && h->via == h->peer->via;
}

/* Did others do something to this name of it, or to one of the change's? */
bool hold_shares_name(const struct hold *h, const struct spy_name *name);
bool hold_shares_names(const struct hold *h, const struct spy_change *c);

/* Was it given cookies and positions? */
static inline bool hold_relies_on_cookies(const struct hold *h)
{
	return hold_is_ordered(h) &&
		(hold_covers(h, CHANGE_ADD_ENTRY) ||
			hold_covers(h, CHANGE_REMOVE_ENTRY) ||
			hold_covers(h, CHANGE_RENAME_ENTRY));
}

/* Does it hear of every change of an entry, its own included? */
static inline bool hold_hears_all(const struct hold *h)
{
	return hold_is_ordered(h) && terms_have_entries(&h->terms);
}

/*
 * Ask for a delegation unless there is one; @top -1: not one of the tops. @via
 * is the export of the handle.
 */
void hold_ask(struct peer *p, int top, int via, const struct nfsc_fh *dir,
	const struct terms *terms);

/* The same for a top, through one export or the other. */
void hold_ask_top(struct peer *p, int top);

/* Of each client: how far it is by now. */
void hold_take_moment(struct world *w, struct moment *m);

void hold_free(struct hold *h);

/* Fill @model from a listing by @c. 0 or an error of the listing. */
int hold_list(struct nfsc *c, const struct nfsc_fh *dir, const bitmap4 *attrs,
	struct dircache *model);

/* Is somebody notified of what @p changes in @dir now? */
bool hold_is_watched(struct peer *p, const struct nfsc_fh *dir);

/* ---- prop_called ---- */

void hold_handlers(struct peer *p, struct nfsc_handlers *ret);

/* ---- prop_return ---- */

/* A thread: returns what is recalled. */
void *hold_returner(void *peer);

/* Return one of them now, if any is live. */
void hold_return_some(struct peer *p);

/* Return all, at the end of a phase. */
void hold_return_all(struct peer *p);

/* Find out what was revoked, and let it go. */
void hold_sweep(struct peer *p);

/* ---- prop_match ---- */

/*
 * Were the events of @h what happened? Applies them, and its own changes in
 * their place, to its model. Fails the test if not.
 */
void match_hold(struct world *w, struct hold *h);

/* What happened and what it was told, for who looks for a failure. */
void match_show(struct world *w, struct hold *h);

/*
 * Could what it was told be another run of changes as well, or does it begin
 * before its listing?
 */
bool match_is_ambiguous(struct world *w, struct hold *h);

/* Apply what came since then: only attributes can. */
void match_rest(struct world *w, struct hold *h);

/* ---- prop_attrs ---- */

/*
 * Is what the model of @h says of attributes still true, as far as it was
 * promised? NULL, or what is wrong. What it cannot know is taken from the
 * @listing if it is @final.
 */
const char *attrs_check(struct world *w, struct hold *h,
	const struct dircache *listing, bool final);

/* The same for those of the directory itself; @mode: only that one. */
const char *attrs_check_dir(
	struct world *w, struct hold *h, const struct attr *now, bool mode);

/* ---- prop_recall ---- */

/* The server's own idea of @h, a reference; NULL: it has ended there. */
struct deleg *recall_find(struct hold *h);

/* The server's reason for the recall of @h; -1: it has ended there. */
int recall_reason_of(struct hold *h);

/* Did somebody, on either side, set about removing its directory? */
bool recall_is_doomed(const struct hold *h);

/* At a quiet point, before the spy forgets. */
void recall_account(struct world *w, struct hold *h);

/* At the end of a phase: the server counted what was seen, and no more. */
void recall_check_totals(struct world *w);

/* ---- prop_probe ---- */

/* Wait for all returns and revocations under way. */
void probe_wait(struct world *w);

/*
 * Make last changes where somebody hears of them, and wait until they are told:
 * behind the server's back, and through it.
 */
void probe_locally(struct world *w);
void probe_all(struct world *w);

/* It went with its directory, without a word. Under the peer's lock. */
void probe_lose(struct hold *h);

/* ---- prop_quiet ---- */

/* Nothing runs: everything must have been told by the end of this. */
void quiet_point(struct world *w);

/* ---- prop_report ---- */

void report_weather(const struct world *w);
void report_print(const struct world *w, double seconds);

/* Was enough seen and checked? */
void report_check(const struct world *w);

#endif
