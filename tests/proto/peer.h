/* SPDX-License-Identifier: MIT */
/*
 * The other end of a connection, in the test's own hands: one thread, one
 * socket, one session, no recovery, nothing it is too polite to send. A call
 * waits for its reply and serves callbacks meanwhile as the test says.
 * Failures of the transport end the test (cmocka asserts).
 */
#ifndef TESTS_PROTO_PEER_H
#define TESTS_PROTO_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "nfs/server.h"
#include "proto/nfs4.h"
#include "vocab/change.h"

#define PEER_OPS   96
#define PEER_SLOTS 64

/* The kinds of so many events are kept, the first ones. */
#define PEER_KINDS_KEPT 64

/* The changes of a CB_NOTIFY are kept up to so many bytes. */
#define PEER_TOLD_MAX 2048

/* Long enough for a machine under load; reached only when a test fails. */
#define PEER_PATIENCE_MS 20000

/* A filehandle that outlives the message it came in. */
struct handle {
	uint32_t len;
	uint8_t data[NFS4_FHSIZE];
};

/* What is done with callbacks. */
enum peer_cb {
	PEER_CB_SERVE, /* NFS4_OK to everything */
	PEER_CB_HOLD,  /* read, but not answered */
};

struct peer {
	struct nfs_server *server;
	int fd;
	uint32_t xid;
	uint32_t minor;
	uint32_t flavor; /* AUTH_NONE or AUTH_SYS ... */
	uint32_t uid, gid;

	const char *owner;
	uint8_t verifier[8];
	clientid4 clientid;
	uint32_t create_seqid;
	sessionid4 session;
	channel_attrs4 fore, back;
	uint32_t seqid[PEER_SLOTS]; /* of the next request */

	/* The compound that is being built. */
	struct arena arena;
	nfs_argop4 ops[PEER_OPS];
	uint32_t nops;
	uint32_t slot;
	bool cachethis;
	bool sequenced;
	struct xdr_opaque tag;

	/* The reply that came last. */
	COMPOUND4res res;
	uint8_t *reply;
	size_t reply_size;
	size_t results_at; /* COMPOUND4res in it */

	/* Callbacks. */
	enum peer_cb cb;
	nfsstat4 cb_seq_status; /* of CB_SEQUENCE, when it is no probe */
	nfsstat4 cb_status;     /* of the operation behind it */
	unsigned probes, recalls, notifies, events;
	enum change_kind kinds[PEER_KINDS_KEPT]; /* of the events, in order */
	bool overwrote;      /* the last event says that something was there */
	stateid4 cb_stateid; /* of the last CB_RECALL or CB_NOTIFY */
	struct handle cb_fh; /* likewise */
	struct handle cb_child; /* of the entry that was notified last */
	uint64_t cb_cookie;     /* likewise */
	size_t cb_told_size;    /* the last CB_NOTIFY's changes, as they came */
	uint8_t cb_told[PEER_TOLD_MAX];
	uint32_t cb_xid; /* of the last callback: to answer by hand */
	CB_SEQUENCE4args cb_sequence;
	bool cb_referred; /* it named a referring call: */
	referring_call4 cb_referring;
};

/* A connection of @server's; no session. */
void peer_connect(struct peer *p, struct nfs_server *server);

/* EXCHANGE_ID and CREATE_SESSION (@flags) as @owner. */
void peer_start(struct peer *p, const char *owner, uint32_t flags);

/* The same with a back channel, and RECLAIM_COMPLETE. */
void peer_join(struct peer *p, const char *owner);

/* peer_connect() and peer_join(). */
void peer_init(struct peer *p, struct nfs_server *server, const char *owner);

/* Close; says nothing to the server. */
void peer_fini(struct peer *p);

/* A new connection for the same session, unbound. */
void peer_reconnect(struct peer *p);

/* ---- records ---- */

void peer_send_raw(struct peer *p, const void *data, size_t size);
void peer_send_record(struct peer *p, const void *data, size_t size);

/*
 * The next record that is a reply, in p->reply; callbacks are served. False:
 * the server closed the connection.
 */
bool peer_recv(struct peer *p);

/* Has something arrived, or does within @ms? */
bool peer_has_reply(struct peer *p, int ms);

/* Serve callbacks that arrive within @ms; how many there were. */
unsigned peer_serve(struct peer *p, unsigned ms);

/* Serve until @count (one of the counters above) has reached @want. */
void peer_serve_until(struct peer *p, const unsigned *count, unsigned want);

/* The server has read the answers given so far: time may pass. */
void peer_settle(struct peer *p);

/* The next thing that happens is the end of the connection. */
bool peer_is_closed(struct peer *p);

/* ---- compounds ---- */

void peer_begin(struct peer *p);      /* SEQUENCE goes in front, slot 0 */
void peer_begin_bare(struct peer *p); /* nothing does */
nfs_argop4 *peer_add(struct peer *p, nfs_opnum4 op);

/* The record of the compound, SEQUENCE included, without a record mark. */
size_t peer_encode(struct peer *p, uint8_t *buf, size_t size);

void peer_send(struct peer *p);
nfsstat4 peer_finish(struct peer *p); /* receive and decode: the status */
nfsstat4 peer_call(struct peer *p);

/* The same request once more, byte for byte but for the xid. */
nfsstat4 peer_resend(struct peer *p);

/* Result of operation @i, SEQUENCE not counted; it must be there. */
nfs_resop4 *peer_result(struct peer *p, uint32_t i);
nfs_resop4 *peer_last(struct peer *p);
nfsstat4 peer_result_status(struct peer *p, uint32_t i);
const SEQUENCE4resok *peer_sequence(struct peer *p);

/* ---- sessions ---- */

nfsstat4 peer_exchange_id(struct peer *p, uint32_t flags);
nfsstat4 peer_create_session(struct peer *p, uint32_t flags);
nfsstat4 peer_reclaim_complete(struct peer *p);
/* Without SEQUENCE, so on whatever connection there is. */
nfsstat4 peer_destroy_session(struct peer *p);
nfsstat4 peer_destroy_clientid(struct peer *p);

/* Both, which must succeed, and peer_fini(). */
void peer_leave(struct peer *p);

uint32_t peer_status_flags(struct peer *p); /* of a lone SEQUENCE */

#endif
