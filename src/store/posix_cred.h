/* SPDX-License-Identifier: MIT */
/*
 * Acting as the caller. A thread of ours is normally "the server": it may open
 * any object by its handle. Between caller_enter() and caller_leave() the
 * kernel sees the caller's ids instead, so that every permission check, quota
 * and ownership rule is the kernel's own. Ids are a matter of the thread, not
 * of the process: the calls are raw, because libc's versions change every
 * thread.
 *
 * A process without CAP_SETUID and CAP_SETGID serves everybody as the user it
 * runs as; between enter and leave it then lays down the capabilities that
 * step over permissions.
 */
#ifndef STORE_POSIX_CRED_H
#define STORE_POSIX_CRED_H

#include <stdbool.h>

#include "vocab/cred.h"

/* True when this process may take other users' ids (asked once per store). */
bool caller_can_switch(void);

/* True when the calling thread has this capability (CAP_*) effective. */
bool caller_has_cap(int cap);

/* True when @cred, acted as, would have root's rights over files. */
bool caller_is_privileged(bool can_switch, const struct cred *cred);

/*
 * Become the calling thread's server self: no CAP_SYS_RESOURCE (it steps over
 * quotas). Done by caller_enter(), and needed before a thread opens handles.
 */
void caller_be_server(bool can_switch);

/*
 * Act as @cred until caller_leave(). 0, or -EACCES for ids nobody can have.
 * Leaving gives the thread its user back; its file-system groups stay those of
 * its last caller.
 */
int caller_enter(bool can_switch, const struct cred *cred);
void caller_leave(void);

/* The user the calling thread acts as. */
uint32_t caller_uid(void);

/* caller_leave() at the end of the block, also after a failed enter. */
#define scope_caller __attribute__((cleanup(caller_leave_scope), unused)) int

static inline void caller_leave_scope(int *err)
{
	caller_leave();
}

#endif
