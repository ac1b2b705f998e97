/* SPDX-License-Identifier: MIT */
#include "dirindex_rig.h"

#include <stdio.h>
#include <string.h>

#include "base/cleanup.h"

static const uint8_t secret[32] = "thirty-two bytes of no one else";

static struct fake *fake_of(const struct fileid *id)
{
	struct fake *f;

	memcpy(&f, id->data, sizeof(f));
	return f;
}

static int scan(void *store, const struct fileid *dir, dirindex_add_name add,
	void *fill)
{
	struct fake *f = fake_of(dir);
	int err = 0;

	f->scans++;
	for (unsigned i = 0; i < FAKE_NAMES && !err; i++) {
		char buf[16];
		bool there;

		if (f->hook && i == f->hook_at)
			f->hook(f);
		lock_acquire(&f->lock);
		there = f->there[i];
		lock_release(&f->lock);
		if (there)
			err = add(fill, fake_name(i, buf));
	}
	return err ? err : f->scan_error;
}

static int ctime_of(void *store, const struct fileid *dir, int64_t *ctime_ns)
{
	struct fake *f = fake_of(dir);

	scope_lock(&f->lock);
	*ctime_ns = f->ctime_ns;
	return f->ctime_error;
}

void rig_init(struct rig *r, size_t budget)
{
	clock_init_fake(&r->clock, 1000 * NSEC_PER_SEC, TICK_NS);
	r->x = dirindex_new(&r->clock, secret, budget);
	assert_non_null(r->x);
	r->source = (struct dirindex_source){.scan = scan, .ctime = ctime_of};
}

void rig_fini(struct rig *r)
{
	dirindex_free(r->x);
}

struct fake *fake_new(struct rig *r, unsigned n)
{
	struct fake *f = calloc(1, sizeof(*f));

	assert_non_null(f);
	memcpy(f->id.data, &f, sizeof(f));
	memcpy(f->id.data + sizeof(f), &n, sizeof(n));
	f->id.len = sizeof(f) + sizeof(n);
	lock_init(&f->lock, LOCK_LEAF);
	f->ctime_ns = clock_file_ns(&r->clock);
	return f;
}

void fake_free(struct fake *f)
{
	lock_fini(&f->lock);
	free(f);
}

void fake_set(struct rig *r, struct fake *f, unsigned number, bool there)
{
	int64_t now = clock_file_ns(&r->clock);

	scope_lock(&f->lock);
	f->there[number] = there;
	f->ctime_ns = now;
}

struct name fake_name(unsigned number, char buf[16])
{
	int len = snprintf(buf, 16, "n%u", number);

	return (struct name){.len = len, .data = buf};
}

unsigned fake_number(struct name name)
{
	char buf[16] = {0};

	memcpy(buf, name.data, name.len);
	return atoi(buf + 1);
}

int rig_add(struct rig *r, struct fake *f, unsigned number,
	struct dir_change *change)
{
	char buf[16];

	fake_set(r, f, number, true);
	change->kind = CHANGE_ADD_ENTRY;
	change->entry.name = fake_name(number, buf);
	return dirindex_note(r->x, &r->source, &f->id, change);
}

int rig_remove(struct rig *r, struct fake *f, unsigned number,
	struct dir_change *change)
{
	char buf[16];

	fake_set(r, f, number, false);
	change->kind = CHANGE_REMOVE_ENTRY;
	change->entry.name = fake_name(number, buf);
	return dirindex_note(r->x, &r->source, &f->id, change);
}

int rig_rename(struct rig *r, struct fake *f, unsigned from, unsigned to,
	struct dir_change *change)
{
	char buf[16], old[16];

	change->has_overwritten = f->there[to];
	fake_set(r, f, from, false);
	fake_set(r, f, to, true);
	change->kind = CHANGE_RENAME_ENTRY;
	change->entry.name = fake_name(to, buf);
	change->old.name = fake_name(from, old);
	change->overwritten.name = change->entry.name;
	return dirindex_note(r->x, &r->source, &f->id, change);
}

struct page {
	struct seen *s;
	unsigned room;
};

static bool see(void *ctx, struct name name, uint64_t cookie)
{
	struct page *p = ctx;
	struct seen *s = p->s;
	unsigned number = fake_number(name);

	if (p->room == 0)
		return false;
	p->room--;
	if (s->cookies[number])
		s->repeated++;
	s->cookies[number] = cookie;
	s->last = cookie;
	s->count++;
	return true;
}

int rig_page(struct rig *r, struct fake *f, unsigned room, struct seen *s)
{
	struct page p = {.s = s, .room = room};
	struct store_page page;
	int err = dirindex_list(
		r->x, &r->source, &f->id, s->last, s->verifier, see, &p, &page);

	if (err)
		return err;
	s->verifier = page.verifier;
	s->eof = page.eof;
	return 0;
}

int rig_list(struct rig *r, struct fake *f, unsigned room, struct seen *s)
{
	unsigned rejected = 0;

	memset(s, 0, sizeof(*s));
	while (!s->eof) {
		int err = rig_page(r, f, room, s);

		if (err == -EKEYREJECTED) {
			rejected++;
			memset(s, 0, sizeof(*s));
		} else if (err) {
			return err;
		}
	}
	s->rejected = rejected;
	return 0;
}

unsigned fake_scans(struct fake *f)
{
	return atomic_exchange(&f->scans, 0);
}

void check_seen(const struct fake *f, const struct seen *s)
{
	assert_int_equal(s->repeated, 0);
	for (unsigned i = 0; i < FAKE_NAMES; i++)
		assert_int_equal(f->there[i], s->cookies[i] != 0);
}

struct dirindex_stats rig_stats(struct rig *r)
{
	struct dirindex_stats s;

	dirindex_read_stats(r->x, &s);
	return s;
}
