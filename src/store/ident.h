/* SPDX-License-Identifier: MIT */
/*
 * The server's identity, made once in the state directory (SV-02): what makes
 * it the same server after a restart and never the same as another one. The
 * directory is locked while a daemon runs on it; it is never to be copied.
 */
#ifndef STORE_IDENT_H
#define STORE_IDENT_H

#include <stddef.h>
#include <stdint.h>

struct ident {
	uint8_t id[16];         /* server owner and scope are made of it */
	uint8_t handle_key[16]; /* MAC key of filehandles */
	uint8_t cookie_key[32]; /* hash key of READDIR cookies */
	uint64_t epoch;         /* one more at each start: client ids */
	int dir_fd;             /* the locked state directory */
};

/*
 * Make the directory (0700) and the identity when missing, lock it, count the
 * start. 0, or -errno with one sentence in @why. Both keys are derived from
 * one stored secret (libsodium's keyed hash).
 */
int ident_open(const char *dir, struct ident *ret, char *why, size_t why_size);

/* An identity for tests: from @seed, without a directory. */
void ident_make_test(uint64_t seed, struct ident *ret);

/* Unlock and forget. */
void ident_close(struct ident *id);

#endif
