/* SPDX-License-Identifier: MIT */
#include "daemon/address.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Split "HOST:PORT" or "[HOST]:PORT" into two terminated strings in @host. */
static bool split(const char *text, char *host, size_t size, char **port)
{
	char *colon;

	if (strlen(text) >= size)
		return false;
	strcpy(host, text);
	colon = strrchr(host, ':');
	if (!colon || colon == host || !colon[1])
		return false;
	*colon = '\0';
	*port = colon + 1;
	if (host[0] != '[')
		return strchr(host, ':') == NULL;
	if (colon[-1] != ']')
		return false;
	colon[-1] = '\0';
	memmove(host, host + 1, strlen(host));
	return true;
}

/* getaddrinfo() lets signs and numbers of any size pass. */
static bool is_port(const char *text)
{
	size_t digits = strspn(text, "0123456789");

	return digits > 0 && digits <= 5 && text[digits] == '\0' &&
		atoi(text) <= UINT16_MAX;
}

bool address_parse(
	const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	const struct addrinfo hints = {
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV,
		.ai_socktype = SOCK_STREAM,
	};
	struct addrinfo *found;
	char host[ADDRESS_TEXT_MAX];
	char *port;

	if (!split(text, host, sizeof(host), &port) || !is_port(port))
		return false;
	if (getaddrinfo(host, port, &hints, &found) != 0)
		return false;
	memcpy(ret, found->ai_addr, found->ai_addrlen);
	*ret_len = found->ai_addrlen;
	freeaddrinfo(found);
	return true;
}

bool address_parse_local(
	const char *text, struct sockaddr_storage *ret, socklen_t *ret_len)
{
	char local[ADDRESS_TEXT_MAX];
	const char *port = text[0] == ':' ? text + 1 : text;

	if (strpbrk(port, ":."))
		return address_parse(text, ret, ret_len);
	if (snprintf(local, sizeof(local), "127.0.0.1:%s", port) >=
		(int)sizeof(local))
		return false;
	return address_parse(local, ret, ret_len);
}

void address_format(
	const struct sockaddr_storage *addr, char *text, size_t size)
{
	char host[INET6_ADDRSTRLEN] = "?";

	if (addr->ss_family == AF_INET) {
		const struct sockaddr_in *in = (const void *)addr;

		inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
		snprintf(text, size, "%s:%u", host, ntohs(in->sin_port));
		return;
	}
	const struct sockaddr_in6 *in6 = (const void *)addr;

	inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof(host));
	snprintf(text, size, "[%s]:%u", host, ntohs(in6->sin6_port));
}

bool address_is_wildcard(const struct sockaddr_storage *addr)
{
	if (addr->ss_family == AF_INET)
		return ((const struct sockaddr_in *)addr)->sin_addr.s_addr ==
			htonl(INADDR_ANY);
	return IN6_IS_ADDR_UNSPECIFIED(
		&((const struct sockaddr_in6 *)addr)->sin6_addr);
}
