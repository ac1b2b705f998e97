/* SPDX-License-Identifier: MIT */
#include "nfs/dirsample.h"

#include <errno.h>

#include "nfs/compound.h"
#include "store/store.h"

struct sample {
	struct compound *c;
	struct told *told;
	uint64_t last; /* cookie */
	int err;
};

static bool sample_entry(void *ctx, struct name name, uint64_t cookie)
{
	struct sample *s = ctx;
	struct compound *c = s->c;
	struct fileid child;
	struct attr attr;

	s->err = store_lookup_attr(
		c->fh.export->store, &c->cred, &c->fh.id, name, &child, &attr);
	if (s->err == -ENOENT || s->err == -ESTALE)
		s->err = 0; /* gone by now */
	else if (s->err == 0)
		s->err = told_set(s->told,
			&(struct told_entry){.name = name,
				.child = told_child(&child),
				.cookie = cookie,
				.type = attr.type});
	s->last = cookie;
	return s->err == 0;
}

int dirsample_fill(void *ctx, struct told *told)
{
	struct compound *c = ctx;
	struct sample s = {.c = c, .told = told};
	struct store_page page = {.eof = false};
	int err;

	while (!page.eof) {
		uint64_t from = s.last;

		err = store_readdir(c->fh.export->store, &c->cred, &c->fh.id,
			from, page.verifier, sample_entry, &s, &page);
		if (err < 0 || s.err < 0)
			return err < 0 ? err : s.err;
		if (!page.eof && s.last == from)
			return -EAGAIN; /* it was cut short, and so are we */
	}
	told->verifier = page.verifier;
	return 0;
}
