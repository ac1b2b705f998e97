/* SPDX-License-Identifier: MIT */
/*
 * What a server costs, when it is a process of this machine: who listens where
 * we connect to, its memory and its processor time, as /proc tells.
 */
#ifndef CLI_BENCH_PROC_H
#define CLI_BENCH_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct bench_usage {
	uint64_t rss_bytes;
	uint64_t cpu_ms; /* user and system, of all threads, since its start */
};

/*
 * The process that serves @host:@port, or 0: it is elsewhere, is no process
 * (knfsd), or may not be looked at.
 */
pid_t bench_proc_find(const char *host, uint16_t port);

/* False: there is no such process, or it may not be looked at. */
bool bench_proc_usage(pid_t pid, struct bench_usage *ret);

/* ---- the pure parts ---- */

/* The n-th (from 1) word of @line as a number, or 0. */
uint64_t bench_proc_word(const char *line, unsigned n);

/* Processor time in ticks, of the text of /proc/PID/stat. */
uint64_t bench_proc_ticks(const char *stat);

/* The value of "@key:  N kB" in the text of /proc/PID/status, in bytes. */
uint64_t bench_proc_bytes(const char *status, const char *key);

/*
 * The inode of the socket that listens on @port at @address (as the text of
 * /proc/net/tcp spells it) or at every address; 0: none.
 */
uint64_t bench_proc_listener(
	const char *tcp, const char *address, uint16_t port);

#endif
