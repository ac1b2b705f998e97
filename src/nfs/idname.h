/* SPDX-License-Identifier: MIT */
/*
 * Owners and groups by name (RFC 8881 5.9): what a client sends that is not a
 * decimal number is looked up in the host's user database.
 */
#ifndef NFS_IDNAME_H
#define NFS_IDNAME_H

#include <stdbool.h>
#include <stdint.h>

#include "proto/opaque.h"

/*
 * struct fattr4_names' `find`: "name" or "name@domain" (any domain: ids are
 * this host's). False: nobody of that name. May block on the user database.
 */
bool idname_find(
	void *context, bool group, struct xdr_opaque name, uint32_t *ret);

#endif
