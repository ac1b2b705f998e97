/* SPDX-License-Identifier: MIT */
#include "daemon/priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/capability.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

/* What is kept, and what it means to do without (NULL: not worth a word). */
static const struct {
	cap_value_t cap;
	const char *without;
} kept[] = {
	{CAP_DAC_READ_SEARCH, "no file can be opened by its handle"},
	{CAP_SETUID, "every client acts as the server's own user"},
	{CAP_SETGID, "every client acts as the server's own user"},
	{CAP_SYS_ADMIN, "exports have no mounts of their own"},
	{CAP_DAC_OVERRIDE, "an open file is lost when its mode shuts us out"},
	{CAP_CHOWN, "root of a client cannot give files away"},
	{CAP_FOWNER, "root of a client cannot change others' files"},
	{CAP_FSETID, "root of a client loses set-group-id bits"},
	{CAP_MKNOD, "root of a client cannot make devices"},
	{CAP_LEASE, NULL},
};

#define KEPT (sizeof(kept) / sizeof(kept[0]))

static bool has(cap_t caps, cap_value_t cap, cap_flag_t set)
{
	cap_flag_value_t value = CAP_CLEAR;

	return cap_get_flag(caps, cap, set, &value) == 0 && value == CAP_SET;
}

static void tell_missing(cap_value_t cap, const char *without)
{
	char *name = cap_to_name(cap);

	log_warn("missing %s: %s", name ? name : "a capability", without);
	cap_free(name);
}

int priv_check(char *why, size_t why_size)
{
	cap_t caps = cap_get_proc();
	int err = 0;

	if (!caps) {
		snprintf(why, why_size, "cannot read capabilities: %m");
		return -errno;
	}
	if (!has(caps, CAP_DAC_READ_SEARCH, CAP_EFFECTIVE)) {
		snprintf(why, why_size,
			"CAP_DAC_READ_SEARCH is missing, without which %s: run "
			"as root or: setcap cap_dac_read_search+ep heraldd",
			kept[0].without);
		err = -EPERM;
	}
	for (size_t i = 1; !err && i < KEPT; i++) {
		if (kept[i].without && !has(caps, kept[i].cap, CAP_EFFECTIVE))
			tell_missing(kept[i].cap, kept[i].without);
	}
	cap_free(caps);
	return err;
}

unsigned priv_raise_files(unsigned want)
{
	struct rlimit now, more;

	if (getrlimit(RLIMIT_NOFILE, &now) != 0)
		return 0;
	if (now.rlim_cur >= want)
		return now.rlim_cur;
	more = (struct rlimit){.rlim_cur = want,
		.rlim_max = now.rlim_max > want ? now.rlim_max : want};
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return want;
	more.rlim_cur = more.rlim_max = now.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &more) == 0)
		return now.rlim_max;
	return now.rlim_cur;
}

void priv_reserve_files(unsigned n)
{
	int low = open("/", O_PATH | O_CLOEXEC);
	int high = n ? fcntl(low, F_DUPFD_CLOEXEC, (int)n - 1) : -1;

	if (high >= 0)
		close(high);
	if (low >= 0)
		close(low);
}

static bool is_kept(cap_value_t cap)
{
	for (size_t i = 0; i < KEPT; i++) {
		if (kept[i].cap == cap)
			return true;
	}
	return false;
}

/* Needs CAP_SETPCAP; who has not got it has little to bound. */
static void drop_bounds(void)
{
	for (cap_value_t cap = 0; cap < cap_max_bits(); cap++) {
		if (!is_kept(cap) && cap_get_bound(cap) == 1)
			cap_drop_bound(cap);
	}
	cap_reset_ambient();
}

/* Of what is permitted keep what is used. */
static int keep_used(cap_t now, cap_t trimmed)
{
	for (size_t i = 0; i < KEPT; i++) {
		cap_value_t cap = kept[i].cap;

		if (!has(now, cap, CAP_PERMITTED))
			continue;
		if (cap_set_flag(trimmed, CAP_PERMITTED, 1, &cap, CAP_SET) ||
			cap_set_flag(trimmed, CAP_EFFECTIVE, 1, &cap, CAP_SET))
			return -errno;
	}
	return cap_set_proc(trimmed) ? -errno : 0;
}

int priv_trim(char *why, size_t why_size)
{
	cap_t now = cap_get_proc(), trimmed = cap_init();
	int err = now && trimmed ? 0 : -ENOMEM;

	if (!err) {
		drop_bounds();
		err = keep_used(now, trimmed);
	}
	if (!err && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		err = -errno;
	if (err)
		snprintf(why, why_size, "cannot give up capabilities: %s",
			strerror(-err));
	cap_free(now);
	cap_free(trimmed);
	return err;
}
