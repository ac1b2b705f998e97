/* SPDX-License-Identifier: MIT */
/*
 * The bytes of files: pages that are not holes in a sorted array, so that a
 * file may be sparse, and appending is cheap.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/cleanup.h"
#include "store/memory_impl.h"

void mem_pages_free(struct memory *m, struct mem_pages *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->at[i].data);
	m->pages -= p->count;
	free(p->at);
	*p = (struct mem_pages){0};
}

/* Index in the array of the first page at or after page @index. */
static size_t page_lower(const struct mem_pages *p, uint64_t index)
{
	size_t low = 0, high = p->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (p->at[middle].index < index)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct mem_page *page_find(const struct mem_pages *p, uint64_t index)
{
	size_t at = page_lower(p, index);

	return at < p->count && p->at[at].index == index ? &p->at[at] : NULL;
}

static int pages_grow(struct mem_pages *p)
{
	size_t more = p->capacity ? p->capacity * 2 : 4;
	void *grown;

	if (p->count < p->capacity)
		return 0;
	grown = realloc(p->at, more * sizeof(*p->at));
	if (!grown)
		return -ENOMEM;
	p->at = grown;
	p->capacity = more;
	return 0;
}

/* The page, made when it is a hole; without memory of its own. */
static int page_get(struct memory *m, struct mem_pages *p, uint64_t index,
	struct mem_page **ret)
{
	size_t at = page_lower(p, index);

	if (at < p->count && p->at[at].index == index) {
		*ret = &p->at[at];
		return 0;
	}
	if (m->pages >= MEM_PAGES_MAX)
		return -ENOSPC;
	if (pages_grow(p))
		return -ENOMEM;
	memmove(p->at + at + 1, p->at + at, (p->count - at) * sizeof(*p->at));
	p->at[at] = (struct mem_page){.index = index};
	p->count++;
	m->pages++;
	*ret = &p->at[at];
	return 0;
}

/* Make holes of the pages @from .. @to - 1. */
static void pages_drop(
	struct memory *m, struct mem_pages *p, uint64_t from, uint64_t to)
{
	size_t first = page_lower(p, from), last = page_lower(p, to);

	if (first == last)
		return;
	for (size_t i = first; i < last; i++)
		free(p->at[i].data);
	memmove(p->at + first, p->at + last,
		(p->count - last) * sizeof(*p->at));
	p->count -= last - first;
	m->pages -= last - first;
}

/* Clear the bytes @from .. @to - 1 of one page. */
static void page_clear(struct mem_pages *p, uint64_t from, uint64_t to)
{
	struct mem_page *page = page_find(p, from / MEM_PAGE);

	if (page && page->data && to > from)
		memset(page->data + from % MEM_PAGE, 0, to - from);
}

/* Clear @from .. @to - 1; whole pages become holes. */
static void clear_range(
	struct memory *m, struct mem_pages *p, uint64_t from, uint64_t to)
{
	uint64_t first = (from + MEM_PAGE - 1) / MEM_PAGE;
	uint64_t last = to / MEM_PAGE;

	if (first > last) {
		page_clear(p, from, to); /* inside one page */
		return;
	}
	page_clear(p, from, first * MEM_PAGE);
	pages_drop(m, p, first, last);
	page_clear(p, last * MEM_PAGE, to);
}

void mem_resize(struct memory *m, struct mem_node *n, uint64_t size)
{
	uint64_t keep = (size + MEM_PAGE - 1) / MEM_PAGE;

	if (size < n->attr.size) {
		page_clear(&n->pages, size, keep * MEM_PAGE);
		pages_drop(m, &n->pages, keep, UINT64_MAX);
	}
	n->attr.size = size;
}

/* The regular file @id, for @access by @cred. */
static int find_file(struct memory *m, const struct cred *cred,
	const struct fileid *id, int io, uint32_t access, struct mem_node **ret)
{
	int err = mem_find(m, id, ret);

	if (err)
		return err;
	if ((*ret)->attr.type == OBJECT_DIR)
		return -EISDIR;
	if ((*ret)->attr.type != OBJECT_FILE)
		return -EINVAL;
	if (io == STORE_IO_OPENED || mem_may(cred, *ret, access))
		return 0;
	/* Whoever may run a program reads it, as knfsd has it. */
	if (access == STORE_MAY_READ && mem_may(cred, *ret, STORE_MAY_EXECUTE))
		return 0;
	return -EACCES;
}

/* How many bytes of @len at @offset lie in the first page touched. */
static size_t chunk(uint64_t offset, size_t len)
{
	size_t room = MEM_PAGE - offset % MEM_PAGE;

	return len < room ? len : room;
}

static void copy_out(
	const struct mem_pages *p, uint64_t offset, uint8_t *buf, size_t len)
{
	while (len) {
		const struct mem_page *page = page_find(p, offset / MEM_PAGE);
		size_t n = chunk(offset, len);

		if (page && page->data)
			memcpy(buf, page->data + offset % MEM_PAGE, n);
		else
			memset(buf, 0, n);
		offset += n;
		buf += n;
		len -= n;
	}
}

int mem_read(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, void *buf, size_t len, size_t *done, bool *eof)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = find_file(m, cred, id, io, STORE_MAY_READ, &n);
	if (err)
		return err;
	if (offset >= n->attr.size)
		len = 0;
	else if (len > n->attr.size - offset)
		len = n->attr.size - offset;
	copy_out(&n->pages, offset, buf, len);
	*done = len;
	*eof = offset + len >= n->attr.size;
	n->attr.atime_ns = mem_now(m);
	return 0;
}

/* Copy into one page; -ENOSPC, -ENOMEM. */
static int copy_in(struct memory *m, struct mem_pages *p, uint64_t offset,
	const uint8_t *buf, size_t len)
{
	struct mem_page *page;
	int err = page_get(m, p, offset / MEM_PAGE, &page);

	if (err)
		return err;
	if (!page->data)
		page->data = calloc(1, MEM_PAGE);
	if (!page->data)
		return -ENOMEM;
	memcpy(page->data + offset % MEM_PAGE, buf, len);
	return 0;
}

/* What each change of the content brings with it. */
static void note_written(
	struct memory *m, const struct cred *cred, struct mem_node *n)
{
	mem_clear_suid(cred, n);
	n->attr.mtime_ns = n->attr.ctime_ns = mem_now(m);
}

int mem_write(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, const void *buf, size_t len,
	enum store_stability *stability, size_t *done)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	size_t put = 0;
	int err;

	scope_lock(&m->lock);
	err = find_file(m, cred, id, io, STORE_MAY_WRITE, &n);
	while (!err && put < len) {
		size_t now = chunk(offset + put, len - put);

		err = copy_in(m, &n->pages, offset + put,
			(const uint8_t *)buf + put, now);
		if (!err)
			put += now;
	}
	if (err && put == 0)
		return err;
	*done = put;
	if (len == 0)
		return 0;
	if (offset + put > n->attr.size)
		n->attr.size = offset + put;
	note_written(m, cred, n);
	return 0;
}

int mem_commit(
	struct store *s, const struct fileid *id, uint64_t offset, uint64_t len)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = mem_find(m, id, &n);
	if (!err && n->attr.type == OBJECT_DIR)
		err = -EISDIR;
	if (!err && n->attr.type != OBJECT_FILE)
		err = -EINVAL;
	return err;
}

/* The first byte at or after @offset that lies in no page. */
static uint64_t next_hole(const struct mem_pages *p, uint64_t offset)
{
	uint64_t index = offset / MEM_PAGE;
	size_t at = page_lower(p, index);

	if (at == p->count || p->at[at].index != index)
		return offset;
	while (at < p->count && p->at[at].index == index) {
		at++;
		index++;
	}
	return index * MEM_PAGE;
}

static uint64_t next_data(const struct mem_pages *p, uint64_t offset)
{
	size_t at = page_lower(p, offset / MEM_PAGE);
	uint64_t data;

	if (at == p->count)
		return UINT64_MAX;
	data = p->at[at].index * MEM_PAGE;
	return data > offset ? data : offset;
}

int mem_seek(struct store *s, const struct cred *cred, const struct fileid *id,
	int io, uint64_t offset, bool hole, uint64_t *ret, bool *eof)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	uint64_t at;
	int err;

	scope_lock(&m->lock);
	err = find_file(m, cred, id, io, STORE_MAY_READ, &n);
	if (err)
		return err;
	if (offset >= n->attr.size)
		return -ENXIO;
	at = hole ? next_hole(&n->pages, offset) : next_data(&n->pages, offset);
	*eof = at >= n->attr.size;
	*ret = *eof ? n->attr.size : at;
	return 0;
}

static bool has_space(const struct memory *m, uint64_t pages)
{
	return pages <= MEM_PAGES_MAX - m->pages;
}

int mem_allocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	uint64_t first = offset / MEM_PAGE;
	uint64_t last = (offset + len - 1) / MEM_PAGE;
	struct memory *m = memory_of(s);
	struct mem_page *page;
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = find_file(m, cred, id, io, STORE_MAY_WRITE, &n);
	if (!err && !has_space(m, last - first + 1))
		err = -ENOSPC;
	for (uint64_t i = first; !err && i <= last; i++)
		err = page_get(m, &n->pages, i, &page);
	if (err)
		return err;
	if (offset + len > n->attr.size)
		n->attr.size = offset + len;
	note_written(m, cred, n);
	return 0;
}

int mem_deallocate(struct store *s, const struct cred *cred,
	const struct fileid *id, int io, uint64_t offset, uint64_t len)
{
	struct memory *m = memory_of(s);
	struct mem_node *n;
	int err;

	scope_lock(&m->lock);
	err = find_file(m, cred, id, io, STORE_MAY_WRITE, &n);
	if (err)
		return err;
	clear_range(m, &n->pages, offset, offset + len);
	note_written(m, cred, n);
	return 0;
}
