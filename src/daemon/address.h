/* SPDX-License-Identifier: MIT */
/* Socket addresses as people write them: 192.0.2.1:2049, [2001:db8::1]:2049. */
#ifndef DAEMON_ADDRESS_H
#define DAEMON_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define ADDRESS_TEXT_MAX 64

/* A numeric address and port; no name is looked up. False when it is none. */
bool address_parse(
	const char *text, struct sockaddr_storage *ret, socklen_t *ret_len);

/* The same, but a port alone, or ":PORT", is one of the loopback's. */
bool address_parse_local(
	const char *text, struct sockaddr_storage *ret, socklen_t *ret_len);

/* The text form, always terminated. */
void address_format(
	const struct sockaddr_storage *addr, char *text, size_t size);

/* Does it stand for every address of the host? */
bool address_is_wildcard(const struct sockaddr_storage *addr);

#endif
