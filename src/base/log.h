/* SPDX-License-Identifier: MIT */
/*
 * One line per event: time, level, then a message of words and key=value
 * pairs, to one descriptor (standard error unless told otherwise). Libraries
 * below the daemon log only what an operator must know; nothing a remote peer
 * can repeat at will is logged above debug without a limit.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LVL_ERROR, LOG_LVL_WARN, LOG_LVL_INFO, LOG_LVL_DEBUG };

/* Write lines of @level and more serious ones to @fd. */
void log_setup(int fd, enum log_level level);

__attribute__((format(printf, 2, 3))) void log_write(
	enum log_level level, const char *format, ...);

#define log_error(...) log_write(LOG_LVL_ERROR, __VA_ARGS__)
#define log_warn(...)  log_write(LOG_LVL_WARN, __VA_ARGS__)
#define log_info(...)  log_write(LOG_LVL_INFO, __VA_ARGS__)
#define log_debug(...) log_write(LOG_LVL_DEBUG, __VA_ARGS__)

/* At most one line in @interval_ms per call site; says what it left out. */
struct log_limit {
	_Atomic uint64_t next_ms;
	atomic_uint dropped;
};

/*
 * For who writes the line himself: may he, if it is one in @interval_ms? Then
 * *@left_out is how many might not since the last.
 */
bool log_limit_pass(
	struct log_limit *limit, uint64_t interval_ms, unsigned *left_out);

__attribute__((format(printf, 4, 5))) void log_write_limited(
	struct log_limit *limit, uint64_t interval_ms, enum log_level level,
	const char *format, ...);

#define log_limited(level, interval_ms, ...)                               \
	do {                                                               \
		static struct log_limit log_limit_here;                    \
		log_write_limited(                                         \
			&log_limit_here, interval_ms, level, __VA_ARGS__); \
	} while (0)

#endif
