/* SPDX-License-Identifier: MIT */
/*
 * What CB_NOTIFY carries (RFC 8881 20.4): between `struct dir_change` and
 * `notify4`, for the server and for our client. One change is one notify4 with
 * one bit in its mask; the standard leaves more open, but this is what its
 * implementations send and read. The CB_NOTIFY around it is nfs/cb_notify's.
 *
 * Cookie verifiers are 64-bit numbers, on the wire as xdr_put_u64() writes
 * them; READDIR and GET_DIR_DELEGATION must do the same.
 */
#ifndef WIRE_NOTIFY4_H
#define WIRE_NOTIFY4_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/nfs4.h"
#include "vocab/change.h"
#include "wire/fattr4.h"
#include "wire/xdr.h"

/* ---- encoding ---- */

/*
 * What the holders of a delegation were promised. Holders with the same terms
 * may share one encoding.
 */
struct notify4_terms {
	bitmap4 child_attrs; /* granted, so within fattr4_child_notifiable() */
	bitmap4 dir_attrs;
	/* Order-aware: cookies, the previous entry and the last-entry flag. */
	bool ordered;
	const struct fattr4_server *server;
	/*
	 * Add to @src what only the caller knows of @entry: its filehandle,
	 * owner names if they are not decimal. May be NULL when nothing needs
	 * it. False when it cannot. The same answer every time: it is asked for
	 * the size and for the bytes, which must live until then.
	 */
	bool (*resolve)(void *context, const struct change_entry *entry,
		struct fattr4_source *src);
	void *context;
};

/*
 * Bytes notify4_put() writes for @change, 0 when it cannot be told as
 * promised: attributes or order are missing. Its holder must be recalled.
 */
size_t notify4_size(
	const struct dir_change *change, const struct notify4_terms *terms);

/*
 * More than any one change can take under these terms: what cannot hold this
 * should not promise it.
 */
size_t notify4_size_max(const struct notify4_terms *terms);

/*
 * Write @change as one notify4. False when it does not fit, and bad; or when
 * notify4_size() is 0, and nothing is written.
 */
bool notify4_put(struct xdr *x, const struct dir_change *change,
	const struct notify4_terms *terms);

/* ---- decoding ---- */

struct notify4_event {
	struct dir_change change; /* names point into the buffer */
	/*
	 * What was said of change.entry; change.entry.attr has it too, as far
	 * as values.mask goes. Cookies not given are COOKIE_NONE. Attributes of
	 * what is gone are not looked at.
	 */
	struct fattr4_values values;
};

/* The changes of one notify4, in ascending order of the bits in its mask. */
struct notify4_reader {
	struct xdr x;
	bitmap4 mask;
	unsigned bit; /* the next one, BITMAP4_BITS at the end */
};

enum notify4_read {
	NOTIFY4_READ_EVENT, /* another one */
	NOTIFY4_READ_END,
	NOTIFY4_READ_BAD, /* malformed, or of a kind we do not know */
};

/* @given and @arena are borrowed until the last event is done with. */
void notify4_read_init(
	struct notify4_reader *r, const notify4 *given, struct arena *arena);
enum notify4_read notify4_read_next(
	struct notify4_reader *r, struct notify4_event *ret);

#endif
