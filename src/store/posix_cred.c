/* SPDX-License-Identifier: MIT */
#include "store/posix_cred.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

/* 32-bit kernels keep 16-bit ids behind the plain names. */
#ifdef SYS_setfsuid32
#define CALL_SETFSUID  SYS_setfsuid32
#define CALL_SETFSGID  SYS_setfsgid32
#define CALL_SETGROUPS SYS_setgroups32
#else
#define CALL_SETFSUID  SYS_setfsuid
#define CALL_SETFSGID  SYS_setfsgid
#define CALL_SETGROUPS SYS_setgroups
#endif

#define ID_NOBODY UINT32_MAX /* no valid id: setfs*id() of it only asks */

#define CAP_BIT(cap) (1ULL << (cap))

/* What setfsuid() to another user takes away by itself (capabilities(7)). */
#define CAPS_FILES                                                             \
	(CAP_BIT(CAP_CHOWN) | CAP_BIT(CAP_MKNOD) | CAP_BIT(CAP_DAC_OVERRIDE) | \
		CAP_BIT(CAP_DAC_READ_SEARCH) | CAP_BIT(CAP_FOWNER) |           \
		CAP_BIT(CAP_FSETID) | CAP_BIT(CAP_LINUX_IMMUTABLE) |           \
		CAP_BIT(CAP_MAC_OVERRIDE))

struct caps {
	uint64_t effective;
	uint64_t permitted;
	uint64_t inheritable;
};

/* What the kernel thinks of this thread, to spare calls that change nothing. */
static __thread struct {
	bool ready;
	bool lowered; /* without CAPS_FILES, by us */
	uint32_t uid;
	uint32_t gid;
	uint32_t own_uid; /* the server's */
	bool groups_known;
	uint32_t ngroups;
	uint32_t groups[CRED_GROUPS_MAX];
} mine;

static bool caps_read(struct caps *caps)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &head, data) != 0)
		return false;
	caps->effective = data[0].effective | (uint64_t)data[1].effective << 32;
	caps->permitted = data[0].permitted | (uint64_t)data[1].permitted << 32;
	caps->inheritable =
		data[0].inheritable | (uint64_t)data[1].inheritable << 32;
	return true;
}

static bool caps_write(const struct caps *caps)
{
	struct __user_cap_header_struct head = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[2] = {
		{
			.effective = caps->effective,
			.permitted = caps->permitted,
			.inheritable = caps->inheritable,
		},
		{
			.effective = caps->effective >> 32,
			.permitted = caps->permitted >> 32,
			.inheritable = caps->inheritable >> 32,
		},
	};

	return syscall(SYS_capset, &head, data) == 0;
}

bool caller_has_cap(int cap)
{
	struct caps caps;

	return caps_read(&caps) && (caps.effective & CAP_BIT(cap));
}

bool caller_can_switch(void)
{
	return caller_has_cap(CAP_SETUID) && caller_has_cap(CAP_SETGID);
}

bool caller_is_privileged(bool can_switch, const struct cred *cred)
{
	return can_switch && cred->uid == 0;
}

uint32_t caller_uid(void)
{
	return mine.uid;
}

/* The ids the kernel uses now; the argument is no id, so nothing changes. */
static uint32_t fsuid_now(void)
{
	return syscall(CALL_SETFSUID, ID_NOBODY);
}

static uint32_t fsgid_now(void)
{
	return syscall(CALL_SETFSGID, ID_NOBODY);
}

/*
 * The calls report the previous id and no error, so ask. Failing to become
 * somebody must never leave us root on his behalf.
 */
static bool fsuid_set(uint32_t uid)
{
	if (mine.uid == uid)
		return true;
	syscall(CALL_SETFSUID, uid);
	mine.uid = fsuid_now();
	return mine.uid == uid;
}

static bool fsgid_set(uint32_t gid)
{
	if (mine.gid == gid)
		return true;
	syscall(CALL_SETFSGID, gid);
	mine.gid = fsgid_now();
	return mine.gid == gid;
}

static bool groups_same(const struct cred *cred)
{
	return mine.groups_known && mine.ngroups == cred->ngroups &&
		memcmp(mine.groups, cred->groups,
			cred->ngroups * sizeof(mine.groups[0])) == 0;
}

static bool groups_set(const struct cred *cred)
{
	if (groups_same(cred))
		return true;
	mine.groups_known = false;
	if (syscall(CALL_SETGROUPS, cred->ngroups, cred->groups) != 0)
		return false;
	memcpy(mine.groups, cred->groups,
		cred->ngroups * sizeof(mine.groups[0]));
	mine.ngroups = cred->ngroups;
	mine.groups_known = true;
	return true;
}

/* With or without the capabilities that step over permissions. */
static bool caps_lower(bool lower)
{
	struct caps caps;

	if (mine.lowered == lower)
		return true;
	if (!caps_read(&caps))
		return false;
	if (lower)
		caps.effective &= ~CAPS_FILES;
	else
		caps.effective |= caps.permitted & CAPS_FILES;
	if (!caps_write(&caps))
		return false;
	mine.lowered = lower;
	return true;
}

static void drop_resource_cap(void)
{
	struct caps caps;

	if (!caps_read(&caps) || !(caps.effective & CAP_BIT(CAP_SYS_RESOURCE)))
		return;
	caps.effective &= ~CAP_BIT(CAP_SYS_RESOURCE);
	caps_write(&caps);
}

void caller_be_server(bool can_switch)
{
	if (mine.ready)
		return;
	drop_resource_cap();
	mine.uid = fsuid_now();
	mine.gid = fsgid_now();
	if (can_switch)
		fsuid_set(0); /* raises CAPS_FILES; leaving 0 drops them */
	mine.own_uid = mine.uid;
	mine.ready = true;
}

static bool become(const struct cred *cred)
{
	return cred->uid != ID_NOBODY && cred->gid != ID_NOBODY &&
		groups_set(cred) && fsgid_set(cred->gid) &&
		fsuid_set(cred->uid);
}

int caller_enter(bool can_switch, const struct cred *cred)
{
	bool done;

	caller_be_server(can_switch);
	done = can_switch ? become(cred) : caps_lower(true);
	return done ? 0 : -EACCES;
}

/*
 * Back to the server's user; the caller's groups stay, as a change costs more
 * than the calls it is for and with root's rights no group matters. The kernel
 * fails this only for want of memory, and the thread is of no use to anybody
 * until it has succeeded.
 */
void caller_leave(void)
{
	if (mine.lowered) {
		while (!caps_lower(false))
			sched_yield();
	} else {
		while (!fsuid_set(mine.own_uid))
			sched_yield();
	}
}
