/* SPDX-License-Identifier: MIT */
/*
 * What the daemon may do as a process: which capabilities it has and needs,
 * and giving up the rest. Capabilities belong to threads and are inherited, so
 * all of this is called while there is only one.
 */
#ifndef DAEMON_PRIV_H
#define DAEMON_PRIV_H

#include <stddef.h>

/*
 * Are the capabilities there that nothing works without? 0, or -EPERM with one
 * sentence in @why. Logs what will not work for want of the others.
 */
int priv_check(char *why, size_t why_size);

/*
 * Raise the limit of open files to @want or as far as it goes; returns the
 * limit in force. Before priv_trim(), which takes the right to.
 */
unsigned priv_raise_files(unsigned want);

/*
 * Let the kernel's table of our descriptors have room for @n from now on.
 * Growing it later, with threads, waits for an RCU grace period each time it
 * doubles, and everybody who opens something waits along.
 */
void priv_reserve_files(unsigned n);

/*
 * Give up every capability that no part of the daemon uses, also for programs
 * it might run: the bounding and ambient sets, and no_new_privs.
 * CAP_SYS_RESOURCE goes above all, since it steps over quotas. 0 or -errno
 * with one sentence in @why.
 */
int priv_trim(char *why, size_t why_size);

#endif
