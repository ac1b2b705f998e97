/* SPDX-License-Identifier: MIT */
#include "nfs/idname.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>

/* Longer than any user or group name Linux allows, domain included. */
#define IDNAME_MAX 256

/* What the host may need to read one entry; a larger one is not found. */
#define ENTRY_MAX 4096

static bool find_user(const char *name, uint32_t *ret)
{
	char buf[ENTRY_MAX];
	struct passwd entry, *found;

	if (getpwnam_r(name, &entry, buf, sizeof(buf), &found) != 0 || !found)
		return false;
	*ret = found->pw_uid;
	return true;
}

static bool find_group(const char *name, uint32_t *ret)
{
	char buf[ENTRY_MAX];
	struct group entry, *found;

	if (getgrnam_r(name, &entry, buf, sizeof(buf), &found) != 0 || !found)
		return false;
	*ret = found->gr_gid;
	return true;
}

bool idname_find(
	void *context, bool group, struct xdr_opaque name, uint32_t *ret)
{
	char text[IDNAME_MAX];
	char *domain;

	if (name.len == 0 || name.len >= sizeof(text) ||
		memchr(name.data, '\0', name.len))
		return false;
	memcpy(text, name.data, name.len);
	text[name.len] = '\0';
	domain = strchr(text, '@');
	if (domain)
		*domain = '\0';
	return group ? find_group(text, ret) : find_user(text, ret);
}
