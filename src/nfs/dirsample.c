/* SPDX-License-Identifier: MIT */
#include "nfs/dirsample.h"

#include <errno.h>

#include "nfs/compound.h"
#include "nfs/dirlist.h"
#include "store/store.h"

struct sample {
	struct compound *c;
	struct told *told;
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
	return s->err == 0;
}

int dirsample_fill(void *ctx, struct told *told)
{
	struct compound *c = ctx;
	struct sample s = {.c = c, .told = told};
	uint64_t verifier;
	int err = dirlist_all(c->fh.export->store, &c->cred, &c->fh.id,
		sample_entry, &s, &verifier);

	if (err)
		return s.err ? s.err : err;
	told->verifier = verifier;
	return 0;
}
