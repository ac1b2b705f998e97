/* SPDX-License-Identifier: MIT */
/*
 * A fake NFSv4.1 server for tests of the client: one small tree of names, one
 * session per client, directory delegations, and every misbehaviour a test
 * asks for. It promises nothing to anybody else. Changes made by the functions
 * here are "somebody else's": holders are told or recalled.
 */
#ifndef TESTS_UNIT_CLIENT_FAKE_H
#define TESTS_UNIT_CLIENT_FAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/nfs4.h"
#include "rpc/rpc.h"

struct fake;
struct fake_seen;

struct fake *fake_new(void);
void fake_free(struct fake *f);

/* Listening on loopback; the port. */
uint16_t fake_port(struct fake *f);

/* For nfsc_config.dial: a socketpair. @ctx is the fake. */
int fake_dial(void *ctx, struct rpc *rpc, struct rpc_conn **ret);

/* ---- the tree; paths from the root, "a/b" ---- */

void fake_mkdir(struct fake *f, const char *path);
void fake_create(struct fake *f, const char *path);
void fake_remove(struct fake *f, const char *path);
void fake_rename(struct fake *f, const char *old, const char *name);

/* Change a directory's mode: its change attribute moves, holders are recalled. */
void fake_chmod(struct fake *f, const char *path);

/* Attributes of an entry change: contents, mode, nothing but ctime. */
void fake_write(struct fake *f, const char *path);
void fake_chmod_entry(struct fake *f, const char *path);
void fake_touch(struct fake *f, const char *path);

/* What the entry's directory's holder was told last of it, once more. */
void fake_tell_again(struct fake *f, const char *path);

/*
 * Tell now what happened to a directory in between: @path was added to it, the
 * object that is now at @object; @path was removed.
 */
void fake_tell_added(struct fake *f, const char *path, const char *object);
void fake_tell_removed(struct fake *f, const char *path);

/* ---- what it does to its clients ---- */

/* Promise to notify CHANGE_CHILD_ATTRS; at first it does not, as knfsd. */
void fake_grant_attrs(struct fake *f, bool grant);

/* Forget clients, sessions and delegations, close connections. */
void fake_restart(struct fake *f);

/* Forget sessions, close nothing. */
void fake_forget_sessions(struct fake *f);

/* Close all connections. */
void fake_disconnect(struct fake *f);

/* Refuse new connections (and close those there are), or take them again. */
void fake_deaf(struct fake *f, bool deaf);

/* Close the connection instead of answering, for the next @n calls. */
void fake_drop_replies(struct fake *f, unsigned n);

/* Answer SEQUENCE with @status, for the next @n calls. */
void fake_fail_sequence(struct fake *f, nfsstat4 status, unsigned n);

/* Fail the next @n CREATE_SESSIONs, which use up their sequence ids. */
void fake_fail_create(struct fake *f, nfsstat4 status, unsigned n);

/* Answer GET_DIR_DELEGATION with @status; GDD4_UNAVAIL for NFS4_OK. */
void fake_refuse(struct fake *f, bool refuse, nfsstat4 status);

/* Recall instead of notifying. */
void fake_recall_always(struct fake *f, bool always);

/* Promise no attributes of children in notifications: not even their type. */
void fake_promise_little(struct fake *f, bool little);

/* Change the tree and tell nobody: notifications are lost. */
void fake_mute(struct fake *f, bool mute);

/* List names without end: ever new ones, or the same again and again. */
void fake_list_endlessly(struct fake *f, bool new_names, bool old_names);

/* Answer READDIR with @status from now on; NFS4_OK: with names again. */
void fake_fail_readdir(struct fake *f, nfsstat4 status);

/* Hold DELEGRETURN back, the delegation being held still, until released. */
void fake_hold_returns(struct fake *f, bool hold);

/* Hold back the replies to GET_DIR_DELEGATION until released. */
void fake_hold_grants(struct fake *f, bool hold);

/* Flags in SEQUENCE's reply. */
void fake_set_flags(struct fake *f, uint32_t flags);

/* CB_RECALL_ANY: keep so many directory delegations. */
void fake_recall_any(struct fake *f, uint32_t keep);

/* Recall a directory's delegation, for no reason. */
void fake_recall(struct fake *f, const char *path);

/* For fake_wait(): so many delegations were returned. */
bool fake_has_returned(const struct fake_seen *seen, unsigned n);

/* Revoke all delegations, and say so by flags until they are freed. */
void fake_revoke_all(struct fake *f);

/* ---- callbacks by hand, on the newest session ---- */

/* The delegation of a directory. */
stateid4 fake_stateid(struct fake *f, const char *path);

struct fake_cb {
	uint32_t slot;
	uint32_t seqid; /* 0: the right one, which is then counted */
	bool referring; /* refer to the GET_DIR_DELEGATION under way */
	nfs_cb_argop4 ops[3];
	unsigned nops;
	bool bad_session, no_sequence;
	uint32_t minor; /* 0: the session's */
	bool auth_none;
};

struct fake_cb_reply {
	enum rpc_outcome outcome;
	nfsstat4 status;   /* of the compound */
	unsigned nresults; /* CB_SEQUENCE's included */
	nfsstat4 last;     /* of the last result */
};

/* Send and wait for the answer, at most @timeout_ms. */
void fake_call_back(struct fake *f, const struct fake_cb *cb,
	uint64_t timeout_ms, struct fake_cb_reply *ret);

/* ---- what it saw ---- */

struct fake_seen {
	unsigned exchange_ids, create_sessions, binds, sequences, replays;
	unsigned claims, grants, returning, returns, renewals, removes;
	unsigned destroyed_sessions, destroyed_clients;
	unsigned delegations; /* held now */
	unsigned cb_failures; /* CB_NOTIFY or CB_RECALL not answered OK */
	unsigned readdirs;
	bitmap4 asked_types, asked_attrs; /* of the newest request */
};
void fake_read_seen(struct fake *f, struct fake_seen *ret);

/* Wait until @check says so, at most two seconds (real time). */
bool fake_wait(struct fake *f,
	bool (*check)(const struct fake_seen *seen, unsigned n), unsigned n);

#endif
