/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include <stdio.h>
#include <string.h>

struct name prop_name(const struct world *w, int i)
{
	return name_from_str(w->names[i]);
}

int prop_name_index(const struct world *w, struct name name)
{
	for (int i = 0; i < ALL_NAMES; i++) {
		if (name_equal(prop_name(w, i), name))
			return i;
	}
	return -1;
}

static void name_plainly(struct world *w)
{
	static const char *const odd[] = {
		" ", "..a", "\xc3\xa4", "\xff\x01", "a b", "-", "%2F", "\\"};
	char *longest = w->names[NAMES - 1];

	for (int i = 0; i < NAMES; i++)
		snprintf(w->names[i], sizeof(w->names[i]), "name%d", i);
	for (size_t i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		strcpy(w->names[i], odd[i]);
	memset(longest, 'x', NAME_LEN_MAX);
}

static int take_cookie(void *ctx, const struct dircache_entry *entry)
{
	*(uint64_t *)ctx = entry->cookie;
	return 0;
}

/* The cookie of a name that is alone in its directory. */
static uint64_t cookie_of(struct world *w, const char *name)
{
	struct nfsc_page page = {.cookie = 0};
	bitmap4 none = {.beyond = false};
	uint64_t cookie = 0;
	struct nfsc_fh made;
	int err = nfsc_mkdir(w->referee, &w->roots[0], name_from_str(name),
		NULL, &made, NULL);

	if (err == 0)
		err = nfsc_readdir(w->referee, &w->roots[0], &none, &page,
			take_cookie, &cookie);
	if (err == 0)
		err = nfsc_remove(
			w->referee, &w->roots[0], name_from_str(name), NULL);
	if (err)
		prop_fail(w, "looking for collisions: %d", err);
	return cookie;
}

/*
 * In a narrow hash: names that stay out of each other's way, but for the rare
 * ones, each of which shares its hash with another.
 */
static void name_narrowly(struct world *w)
{
	uint64_t cookies[ALL_NAMES] = {0};
	unsigned filled = 0;

	for (unsigned n = 0; filled < ALL_NAMES - RARE || !cookies[NAMES - 1];
		n++) {
		char name[16];
		uint64_t cookie;
		bool near = false;
		int twin = -1;

		snprintf(name, sizeof(name), "n%u", n);
		cookie = cookie_of(w, name);
		for (int i = 0; i < ALL_NAMES; i++) {
			if (!cookies[i])
				continue;
			near |= cookie < cookies[i] + 3 &&
				cookies[i] < cookie + 3;
			twin = cookie == cookies[i] ? i : twin;
		}
		int at = -1;

		if (!near && filled < ALL_NAMES - RARE) {
			at = (int)filled + (filled < NAMES - RARE ? 0 : RARE);
			filled++;
		} else if (twin >= 0 && twin < NAMES - RARE) {
			at = cookies[NAMES - 2] ? NAMES - 1 : NAMES - 2;
			if (cookies[at])
				at = -1;
		}
		if (at < 0)
			continue;
		cookies[at] = cookie;
		strcpy(w->names[at], name);
	}
}

void names_choose(struct world *w)
{
	if (w->options.narrow) {
		name_narrowly(w);
		return;
	}
	name_plainly(w);
	strcpy(w->names[NAME_QUIET], "quiet point");
	strcpy(w->names[NAME_LOCAL], "local quiet point");
}
