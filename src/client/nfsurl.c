/* SPDX-License-Identifier: MIT */
#include "client/nfsurl.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static const char out_of_memory[] = "out of memory";

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* The byte at *@at, an escape or not, and go past it; -1 when malformed. */
static int next_byte(const char **at)
{
	const char *p = *at;
	int high, low;

	*at += 1;
	if (*p != '%')
		return (unsigned char)*p;
	high = hex_digit(p[1]);
	low = high < 0 ? -1 : hex_digit(p[2]);
	*at += 2;
	return low < 0 ? -1 : high << 4 | low;
}

/* The component at *@at, unescaped to @to; *@at is left at '/' or the end. */
static const char *take_component(const char **at, char *to, struct name *ret)
{
	*ret = (struct name){.data = to};
	while (**at && **at != '/') {
		int byte;

		if (**at == '?' || **at == '#')
			return "write '?' as %3F and '#' as %23";
		byte = next_byte(at);
		if (byte < 0)
			return "a '%' needs two hexadecimal digits after it";
		if (byte == 0 || byte == '/')
			return "no name can hold a NUL or a '/'";
		to[ret->len++] = (char)byte;
	}
	if (ret->len > NAME_LEN_MAX)
		return "a name has at most 255 bytes";
	return NULL;
}

static const char *parse_path(const char *path, struct nfsurl *ret)
{
	size_t len = strlen(path);
	char *to = ret->bytes = malloc(len + 1);

	ret->names = calloc(len / 2 + 1, sizeof(*ret->names));
	if (!to || !ret->names)
		return out_of_memory;
	while (*path) {
		struct name *name = &ret->names[ret->nnames];
		const char *wrong;

		while (*path == '/')
			path++;
		wrong = take_component(&path, to, name);
		if (wrong)
			return wrong;
		if (name_equal(*name, name_from_str("..")))
			return "the path must not climb with '..'";
		if (name->len == 0 || name_equal(*name, name_from_str(".")))
			continue;
		to += name->len;
		ret->nnames++;
	}
	return NULL;
}

static bool parse_port(const char *text, size_t len, uint16_t *ret)
{
	unsigned long port = 0;

	if (len == 0 || len > 5)
		return false;
	for (size_t i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return false;
		port = port * 10 + (unsigned long)(text[i] - '0');
	}
	*ret = (uint16_t)port;
	return port > 0 && port <= UINT16_MAX;
}

/* HOST[:PORT], the @len bytes at @text. */
static const char *parse_host(const char *text, size_t len, struct nfsurl *ret)
{
	const char *end = text + len, *host = text, *stop, *port;

	if (len > 0 && *text == '[') {
		host++;
		stop = memchr(text, ']', len);
		if (!stop)
			return "the ']' of the IPv6 address is missing";
		port = stop + 1;
	} else {
		stop = memchr(text, ':', len);
		stop = stop ? stop : end;
		port = stop;
	}
	if (stop == host)
		return "the host is missing";
	if (memchr(host, '@', (size_t)(stop - host)))
		return "there is no user in an nfs URL";
	if (port != end &&
		(*port != ':' ||
			!parse_port(port + 1, (size_t)(end - port - 1),
				&ret->port)))
		return "the port is not a number from 1 to 65535";
	ret->host = strndup(host, (size_t)(stop - host));
	return ret->host ? NULL : out_of_memory;
}

const char *nfsurl_parse(const char *text, struct nfsurl *ret)
{
	static const char scheme[] = "nfs://";
	const char *host, *path, *wrong;

	*ret = (struct nfsurl){.port = NFSURL_PORT};
	if (strncmp(text, scheme, sizeof(scheme) - 1) != 0)
		return "it does not start with nfs://";
	host = text + sizeof(scheme) - 1;
	path = host + strcspn(host, "/?#");
	wrong = parse_host(host, (size_t)(path - host), ret);
	if (!wrong)
		wrong = parse_path(path, ret);
	if (wrong)
		nfsurl_fini(ret);
	return wrong;
}

void nfsurl_fini(struct nfsurl *url)
{
	free(url->host);
	free(url->bytes);
	free(url->names);
	*url = (struct nfsurl){.port = NFSURL_PORT};
}
