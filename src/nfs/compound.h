/* SPDX-License-Identifier: MIT */
/*
 * COMPOUND (RFC 8881 16.2): one pass over the operations of a request. The
 * gates in compound.c read the operation table (optable.h); a handler runs
 * only when everything its row promises holds, and checks none of it again.
 */
#ifndef NFS_COMPOUND_H
#define NFS_COMPOUND_H

#include <stdbool.h>
#include <stdint.h>

#include "nfs/fh.h"
#include "nfs/server.h"
#include "proto/nfs4.h"
#include "rpc/rpc.h"
#include "state/client.h"
#include "state/session.h"
#include "state/stateid.h"
#include "vocab/cred.h"

/* Kept free behind every reply: the bare failure of one more operation. */
#define COMPOUND_RESERVE 16

/* The special stateid "current" (RFC 8881 16.2.3.1.2) and what it stands for. */
struct current_stateid {
	bool set;
	stateid4 value;
};

struct compound {
	struct nfs_server *server;
	struct rpc_call *call;
	struct arena *arena; /* the call's */
	uint32_t minor;
	uint32_t nops;
	uint64_t digest;         /* of the request, to know a false retry */
	uint32_t index;          /* of the operation that runs */
	struct session *session; /* NULL before SEQUENCE and without one */
	struct slot *slot;
	struct client *client; /* the session's, borrowed */
	struct fh fh;          /* CURRENT_FH; export NULL = none */
	struct fh saved;
	struct current_stateid sid;
	struct current_stateid saved_sid;
	struct cred cred;  /* the caller on `fh`'s export, squashed */
	size_t start;      /* of COMPOUND4res in the reply */
	size_t limit;      /* where the reply must end */
	bool cache_limits; /* `limit` is that of the replay cache */
	bool keep_reply;   /* a changing operation ran */
	enum slot_verdict verdict;
};

/* struct rpc_program's `run` and `conn_closed`; ctx is the nfs_server. */
enum rpc_verdict compound_run(void *ctx, struct rpc_call *call);
void compound_conn_closed(void *ctx, struct rpc_conn *conn);

/* Make @fh current; the current stateid is no more. */
void compound_set_fh(
	struct compound *c, struct export *export, const struct fileid *id);

/* The caller's credentials on @export: squashed as its options say. */
void compound_cred_for(const struct compound *c, const struct export *export,
	struct cred *ret);

/*
 * Before and after whatever may wait for @export's disk; false: none to be had
 * in time, NFS4ERR_DELAY. The pseudo file system needs none.
 */
bool compound_take_permit(struct compound *c, struct export *export);
void compound_give_permit(struct compound *c, struct export *export);

/* The client is being told the change attribute of this directory. */
void compound_note_seen(
	struct compound *c, const struct fileid *dir, uint64_t change);

void compound_set_stateid(struct compound *c, const stateid4 *sid);

/*
 * What an operation's stateid argument means: itself, or the current stateid.
 * NFS4ERR_BAD_STATEID when there is none.
 */
nfsstat4 compound_stateid(
	const struct compound *c, const stateid4 *arg, stateid4 *ret);

/* The answer for who asked for more than his session takes, or its cache. */
nfsstat4 compound_too_big(const struct compound *c);

/* Does the next operation work on state alone (OP_BY_STATE)? */
bool compound_next_is_by_state(const struct compound *c);

/* Who sends this request, for EXCHANGE_ID and CREATE_SESSION. */
struct principal compound_principal(const struct compound *c);

/*
 * A component from the wire: 1 to 255 bytes, no '/', no NUL, not "." or "..".
 * NFS4ERR_INVAL (empty), NAMETOOLONG, BADNAME, BADCHAR.
 */
nfsstat4 compound_name(const struct xdr_opaque *wire, struct name *ret);

#endif
