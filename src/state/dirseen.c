/* SPDX-License-Identifier: MIT */
#include "state/dirseen.h"

#include <errno.h>
#include <stdlib.h>

#include "base/htab.h"

/* Half an entry says whose it is, half what it was told; 0 = free. */
struct digest {
	uint64_t key;
	uint64_t entry;
};

static struct digest digest_of(
	uint64_t client_id, const struct fileid *dir, uint64_t change)
{
	uint64_t words[2] = {htab_hash(dir->data, dir->len), client_id};
	struct digest d = {.key = htab_hash(words, sizeof(words))};

	words[0] = d.key;
	words[1] = change;
	d.entry = (d.key >> 32 << 32) |
		(uint32_t)(htab_hash(words, sizeof(words)) | 1);
	return d;
}

static bool is_of_same(uint64_t entry, const struct digest *d)
{
	return entry && entry >> 32 == d->entry >> 32;
}

/* Its own entry, else a free one, else that of any other. */
static unsigned choose_way(
	_Atomic uint64_t set[DIRSEEN_WAYS], const struct digest *d)
{
	unsigned way = d->entry >> 1 & (DIRSEEN_WAYS - 1);

	for (unsigned i = 0; i < DIRSEEN_WAYS; i++) {
		uint64_t entry =
			atomic_load_explicit(&set[i], memory_order_relaxed);

		if (is_of_same(entry, d))
			return i;
		if (!entry)
			way = i;
	}
	return way;
}

void dirseen_note(struct dirseen *seen, uint64_t client_id,
	const struct fileid *dir, uint64_t change)
{
	struct digest d = digest_of(client_id, dir, change);
	_Atomic uint64_t *set = seen->sets[d.key % DIRSEEN_SETS];

	atomic_store_explicit(
		&set[choose_way(set, &d)], d.entry, memory_order_relaxed);
}

bool dirseen_is_outdated(const struct dirseen *seen, uint64_t client_id,
	const struct fileid *dir, uint64_t change)
{
	struct digest d = digest_of(client_id, dir, change);
	_Atomic uint64_t *set = seen->sets[d.key % DIRSEEN_SETS];
	bool was_told = false, has_room = false;

	for (unsigned i = 0; i < DIRSEEN_WAYS; i++) {
		uint64_t entry =
			atomic_load_explicit(&set[i], memory_order_relaxed);

		if (entry == d.entry)
			return false;
		was_told |= is_of_same(entry, &d);
		has_room |= !entry;
	}
	return was_told || !has_room;
}

int dirseen_init(struct dirseen *seen)
{
	seen->sets = calloc(DIRSEEN_SETS, sizeof(*seen->sets));
	return seen->sets ? 0 : -ENOMEM;
}

void dirseen_fini(struct dirseen *seen)
{
	free(seen->sets);
}
