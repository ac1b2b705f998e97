/* SPDX-License-Identifier: MIT */
#include "cli/bench_proc.h"

#include <ctype.h>
#include <dirent.h>
#include <inttypes.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"

/* Of /proc/PID/stat, counted behind the name, which may have spaces. */
#define STAT_UTIME 12
#define STAT_STIME 13

/* Of a line of /proc/net/tcp. */
#define TCP_INODE  10
#define TCP_LISTEN 0x0A

/* ---- texts ---- */

static const char *skip_word(const char *at)
{
	at += strspn(at, " \t");
	return at + strcspn(at, " \t\n");
}

uint64_t bench_proc_word(const char *line, unsigned n)
{
	while (n-- > 1)
		line = skip_word(line);
	return strtoull(line, NULL, 10);
}

uint64_t bench_proc_ticks(const char *stat)
{
	const char *behind = strrchr(stat, ')');

	if (!behind)
		return 0;
	return bench_proc_word(behind + 1, STAT_UTIME) +
		bench_proc_word(behind + 1, STAT_STIME);
}

static const char *next_line(const char *at)
{
	at += strcspn(at, "\n");
	return *at ? at + 1 : NULL;
}

uint64_t bench_proc_bytes(const char *status, const char *key)
{
	size_t len = strlen(key);

	for (const char *at = status; at; at = next_line(at)) {
		if (strncmp(at, key, len) == 0 && at[len] == ':')
			return strtoull(at + len + 1, NULL, 10) * 1024;
	}
	return 0;
}

static bool is_zeros(const char *address)
{
	return address[strspn(address, "0")] == '\0';
}

uint64_t bench_proc_listener(
	const char *tcp, const char *address, uint16_t port)
{
	for (const char *at = tcp; at; at = next_line(at)) {
		char local[33];
		unsigned number, status;

		if (sscanf(at, " %*u: %32[0-9A-F]:%4X %*[0-9A-F]:%*X %X", local,
			    &number, &status) != 3)
			continue;
		if (status == TCP_LISTEN && number == port &&
			(is_zeros(local) || strcmp(local, address) == 0))
			return bench_proc_word(at, TCP_INODE);
	}
	return 0;
}

/* ---- files ---- */

/* All of it as a string, to be freed; NULL when it cannot be read. */
static char *read_text(const char *path)
{
	FILE *f = fopen(path, "re");
	char *text = NULL;
	size_t size = 0;
	ssize_t n;

	if (!f)
		return NULL;
	n = getdelim(&text, &size, '\0', f);
	fclose(f);
	if (n >= 0)
		return text;
	free(text);
	return NULL;
}

static char *read_of(pid_t pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/%s", (long)pid, name);
	return read_text(path);
}

bool bench_proc_usage(pid_t pid, struct bench_usage *ret)
{
	scope_free char *stat = read_of(pid, "stat");
	scope_free char *status = read_of(pid, "status");
	long second = sysconf(_SC_CLK_TCK);

	if (!stat || !status || second <= 0)
		return false;
	ret->cpu_ms = bench_proc_ticks(stat) * 1000 / (uint64_t)second;
	ret->rss_bytes = bench_proc_bytes(status, "VmRSS");
	return ret->rss_bytes > 0;
}

/* ---- who serves there ---- */

/* A connection there, just to learn both its addresses; or -1. */
static int connect_to(const char *host, uint16_t port)
{
	struct addrinfo hints = {
		.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
	struct addrinfo *list;
	char text[8];
	int fd = -1;

	snprintf(text, sizeof(text), "%u", port);
	if (getaddrinfo(host, text, &hints, &list) != 0)
		return -1;
	for (struct addrinfo *ai = list; ai && fd < 0; ai = ai->ai_next) {
		fd = socket(ai->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fd >= 0 && connect(fd, ai->ai_addr, ai->ai_addrlen) < 0) {
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	return fd;
}

/* The address as /proc/net/tcp has it: words as the processor reads them. */
static void spell_address(const struct sockaddr_storage *addr, char ret[33])
{
	const struct sockaddr_in *v4 = (const struct sockaddr_in *)addr;
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)addr;
	uint32_t words[4];

	if (addr->ss_family == AF_INET) {
		snprintf(ret, 33, "%08" PRIX32, v4->sin_addr.s_addr);
		return;
	}
	memcpy(words, &v6->sin6_addr, sizeof(words));
	for (int i = 0; i < 4; i++)
		snprintf(ret + i * 8, 9, "%08" PRIX32, words[i]);
}

/* The server's address, if it is this machine's: then both ends have it. */
static bool local_address(int fd, char ret[33])
{
	struct sockaddr_storage ours, theirs;
	socklen_t len = sizeof(ours);
	char other[33];

	if (getsockname(fd, (struct sockaddr *)&ours, &len) < 0)
		return false;
	len = sizeof(theirs);
	if (getpeername(fd, (struct sockaddr *)&theirs, &len) < 0)
		return false;
	spell_address(&ours, other);
	spell_address(&theirs, ret);
	return strcmp(other, ret) == 0;
}

static uint64_t find_listener(const char *address, uint16_t port)
{
	static const char *const tables[] = {"/proc/net/tcp", "/proc/net/tcp6"};
	uint64_t inode = 0;

	for (int i = 0; i < 2 && inode == 0; i++) {
		scope_free char *tcp = read_text(tables[i]);

		if (tcp)
			inode = bench_proc_listener(tcp, address, port);
	}
	return inode;
}

static bool has_socket(const char *pid, const char *wanted)
{
	char path[300], link[64];
	struct dirent *entry;
	bool found = false;
	DIR *dir;
	ssize_t n;

	snprintf(path, sizeof(path), "/proc/%s/fd", pid);
	dir = opendir(path);
	if (!dir)
		return false;
	while (!found && (entry = readdir(dir))) {
		n = readlinkat(
			dirfd(dir), entry->d_name, link, sizeof(link) - 1);
		if (n <= 0)
			continue;
		link[n] = '\0';
		found = strcmp(link, wanted) == 0;
	}
	closedir(dir);
	return found;
}

static pid_t find_owner(uint64_t inode)
{
	struct dirent *entry;
	char wanted[64];
	pid_t pid = 0;
	DIR *dir = opendir("/proc");

	if (!dir)
		return 0;
	snprintf(wanted, sizeof(wanted), "socket:[%" PRIu64 "]", inode);
	while (pid == 0 && (entry = readdir(dir))) {
		if (isdigit((unsigned char)entry->d_name[0]) &&
			has_socket(entry->d_name, wanted))
			pid = (pid_t)strtol(entry->d_name, NULL, 10);
	}
	closedir(dir);
	return pid;
}

pid_t bench_proc_find(const char *host, uint16_t port)
{
	scope_fd int fd = connect_to(host, port);
	char address[33];
	uint64_t inode;

	if (fd < 0 || !local_address(fd, address))
		return 0;
	inode = find_listener(address, port);
	return inode ? find_owner(inode) : 0;
}
