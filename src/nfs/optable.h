/* SPDX-License-Identifier: MIT */
/*
 * The operation table: everything the compound loop must know of an operation
 * before it runs one. doc/adding-an-operation.md walks through a new row.
 */
#ifndef NFS_OPTABLE_H
#define NFS_OPTABLE_H

#include <stdint.h>

#include "nfs/compound.h"
#include "proto/nfs4.h"

enum {
	/* Allowed without a session, and then as the only operation. */
	OP_SESSIONLESS = 1 << 0,
	/* Must be the only operation, with a session or without. */
	OP_ALONE = 1 << 1,
	/* Needs CURRENT_FH; needs SAVED_FH. */
	OP_NEEDS_FH = 1 << 2,
	OP_NEEDS_SAVED = 1 << 3,
	/* Changes files or names: refused on a read-only export. */
	OP_WRITES = 1 << 4,
	/*
	 * Must not run unless its reply fits, and its reply is kept for a
	 * replay: doing it twice would do harm.
	 */
	OP_CHANGES = 1 << 5,
	/* May wait for CURRENT_FH's disk: takes a permit. */
	OP_BLOCKS = 1 << 6,
	/* Writes its result body into the reply itself. */
	OP_STREAMS = 1 << 7,
	/* Leads to another CURRENT_FH (room for a GETFH behind it). */
	OP_MOVES_FH = 1 << 8,
	/*
	 * Works on state alone, and its stateid proves the filehandle: PUTFH
	 * before it asks no disk, so that a disk that hangs keeps no state.
	 */
	OP_BY_STATE = 1 << 9,
};

struct op_row {
	/*
	 * Arguments in, result out; the status is what it returns, the loop
	 * puts it into @res. NULL: known, but answered NFS4ERR_NOTSUPP.
	 */
	nfsstat4 (*run)(
		struct compound *c, const nfs_argop4 *arg, nfs_resop4 *res);
	uint8_t minor; /* first minor version that has it: 1 or 2 */
	uint16_t flags;
	/* Most bytes of a successful result after its status. */
	uint32_t reply_max;
};

/* The row of @op in minor version @minor; NULL: NFS4ERR_OP_ILLEGAL. */
const struct op_row *optable_find(uint32_t op, uint32_t minor);

#endif
