/* SPDX-License-Identifier: MIT */
/* What prop_match.c and prop_form.c share. */
#ifndef TESTS_PROP_MATCH_H
#define TESTS_PROP_MATCH_H

#include "prop.h"

/* Was it told within the delegation? */
enum where { SURELY_IN, MAYBE, SURELY_OUT };

enum answer { NO, YES, UNKNOWN };

/* What the event of a change must be. */
struct form {
	enum answer comes;      /* at all */
	enum answer renames;    /* or adds, when it was a renaming */
	enum answer overwrites; /* what was told before */
};

/* A change that a holder may hear of. */
struct heard {
	struct spy_change *change;
	struct form form;
	struct event *told; /* NULL: it was not */
};

struct match {
	struct world *w;
	struct hold *h;
	struct heard *heard;   /* in order */
	struct event **events; /* of entries */
	size_t nheard;
	enum answer there[ALL_NAMES]; /* for those who were told so far */
};

/* May @h hear of @c, by what it was granted? */
bool match_hears(const struct hold *h, const struct spy_change *c);
enum where match_where(const struct hold *h, const struct spy_change *c);

/* While it was held, nothing it cannot be told of may have happened. */
void match_check_uncovered(
	struct world *w, const struct hold *h, const struct spy_change *c);

/*
 * The names that holders know: at the beginning, and after a change; and what
 * its event must be in between.
 */
void match_begin_told(struct match *m);
void match_move_told(struct match *m, const struct spy_change *c);
struct form match_form(struct match *m, const struct spy_change *c);

/* Is the event @e all that is left of a renaming: that it left? */
bool match_is_left(const struct spy_change *c, const struct dircache_change *e);

/* NULL: @event may be that of @heard; or what is not right. */
const char *match_wrong(const struct match *m, const struct heard *heard,
	const struct event *event);

#endif
