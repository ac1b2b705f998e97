/* SPDX-License-Identifier: MIT */
/*
 * nfs://HOST[:PORT]/PATH (after RFC 2224, without its public filehandle): PATH
 * is walked from the server's root. Percent escapes stand for bytes, so every
 * name can be written. There is no query and no fragment.
 */
#ifndef CLIENT_NFSURL_H
#define CLIENT_NFSURL_H

#include <stddef.h>
#include <stdint.h>

#include "vocab/name.h"

#define NFSURL_PORT 2049

struct nfsurl {
	char *host; /* without the brackets of an IPv6 address */
	uint16_t port;
	char *bytes;        /* what the components point into */
	struct name *names; /* the components; "" and "." are left out */
	size_t nnames;
};

/*
 * Take @text apart. NULL when it is good: @ret is filled in and wants
 * nfsurl_fini(). Else one sentence on what is wrong with it, and @ret is empty.
 */
const char *nfsurl_parse(const char *text, struct nfsurl *ret);

void nfsurl_fini(struct nfsurl *url);

#endif
