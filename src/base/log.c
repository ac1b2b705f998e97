/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 1024

static int log_fd = STDERR_FILENO;
static enum log_level log_threshold = LOG_LVL_INFO;

static const char *const level_names[] = {
	[LOG_LVL_ERROR] = "ERROR",
	[LOG_LVL_WARN] = "WARN",
	[LOG_LVL_INFO] = "INFO",
	[LOG_LVL_DEBUG] = "DEBUG",
};

void log_setup(int fd, enum log_level level)
{
	log_fd = fd;
	log_threshold = level;
}

static size_t put_prefix(char *line, size_t size, enum log_level level)
{
	struct timespec now;
	struct tm tm;
	char stamp[32];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	return snprintf(line, size, "%s.%03ldZ %-5s ", stamp,
		now.tv_nsec / 1000000, level_names[level]);
}

/* A name a peer chose must not break the line or the terminal. */
static void mask_controls(char *line, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
}

static void log_line(enum log_level level, const char *format, va_list args)
{
	char line[LOG_LINE_MAX];
	size_t at = put_prefix(line, sizeof(line), level);
	int n = vsnprintf(line + at, sizeof(line) - at, format, args);
	size_t len = at + (n > 0 ? n : 0);
	ssize_t written;

	if (len > sizeof(line) - 2)
		len = sizeof(line) - 2;
	mask_controls(line, len);
	line[len++] = '\n';
	written = write(log_fd, line, len); /* a full disk stops no request */
	(void)written;
}

void log_write(enum log_level level, const char *format, ...)
{
	va_list args;

	if (level > log_threshold)
		return;
	va_start(args, format);
	log_line(level, format, args);
	va_end(args);
}

static bool limit_allows(struct log_limit *limit, uint64_t interval_ms)
{
	struct timespec now;
	uint64_t now_ms, next;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
	next = atomic_load(&limit->next_ms);
	if (now_ms < next)
		return false;
	return atomic_compare_exchange_strong(
		&limit->next_ms, &next, now_ms + interval_ms);
}

bool log_limit_pass(
	struct log_limit *limit, uint64_t interval_ms, unsigned *left_out)
{
	if (!limit_allows(limit, interval_ms)) {
		atomic_fetch_add(&limit->dropped, 1);
		return false;
	}
	*left_out = atomic_exchange(&limit->dropped, 0);
	return true;
}

void log_write_limited(struct log_limit *limit, uint64_t interval_ms,
	enum log_level level, const char *format, ...)
{
	unsigned left_out;
	va_list args;

	if (level > log_threshold ||
		!log_limit_pass(limit, interval_ms, &left_out))
		return;
	va_start(args, format);
	log_line(level, format, args);
	va_end(args);
	if (left_out)
		log_write(level, "messages like this one left out times=%u",
			left_out);
}
