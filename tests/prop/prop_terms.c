/* SPDX-License-Identifier: MIT */
#include "prop.h"

#include "state/dirdeleg.h"

#define BIT(kind) (UINT32_C(1) << (kind))
#define ENTRY_KINDS                                         \
	(BIT(CHANGE_ADD_ENTRY) | BIT(CHANGE_REMOVE_ENTRY) | \
		BIT(CHANGE_RENAME_ENTRY))
/* Those that come with attributes of a child. */
#define CHILD_KINDS                                        \
	(BIT(CHANGE_CHILD_ATTRS) | BIT(CHANGE_ADD_ENTRY) | \
		BIT(CHANGE_RENAME_ENTRY))
#define ALL_KINDS (BIT(CHANGE_KINDS) - 1)

/* ---- what a client wants ---- */

static bool chance(struct rand_stream *rand, unsigned percent)
{
	return rand_stream_below(rand, 100) < percent;
}

/* Every change of an entry, and perhaps the others. */
struct terms terms_random(struct rand_stream *rand)
{
	struct terms t = {.ask = true, .kinds = ENTRY_KINDS};

	t.extend = chance(rand, 80);
	t.order = chance(rand, t.extend ? 35 : 20);
	if (chance(rand, 60))
		t.kinds |= BIT(CHANGE_CHILD_ATTRS);
	if (chance(rand, 60))
		t.kinds |= BIT(CHANGE_DIR_ATTRS);
	if (chance(rand, 60))
		t.kinds |= BIT(CHANGE_COOKIE_VERIFIER);
	return t;
}

static struct terms choose(int top, struct rand_stream *rand)
{
	struct terms t = terms_random(rand);

	t.ask = chance(rand, 85);
	if (top == TOP_SETATTR && chance(rand, 90))
		t.kinds |= BIT(CHANGE_DIR_ATTRS);
	if (top == TOP_PARTIAL && chance(rand, 40))
		t.kinds &= (uint32_t)rand_stream_below(rand, ALL_KINDS + 1);
	if (top == TOP_RECALL && chance(rand, 40))
		t.kinds = 0;
	return t;
}

void terms_choose(struct world *w, struct rand_stream *rand)
{
	for (int p = 0; p < PEERS; p++) {
		for (int top = 0; top < TOPS; top++)
			w->terms[p][top] = choose(top, rand);
	}
}

/* ---- the request ---- */

static bitmap4 random_attrs(struct peer *p, bitmap4 all)
{
	bitmap4 set = {.beyond = false};
	uint64_t dice = prop_below(p, 8);

	if (dice == 0)
		return set;
	if (dice == 1)
		return all;
	for (unsigned bit = 0; bit < BITMAP4_BITS; bit++) {
		if (bitmap4_has(&all, bit) && prop_below(p, 2))
			bitmap4_set(&set, bit);
	}
	return set;
}

static bitmap4 random_child_attrs(struct peer *p)
{
	bitmap4 set = random_attrs(p, fattr4_child_notifiable());

	if (!bitmap4_empty(&set) && prop_below(p, 2)) {
		bitmap4_set(&set, FATTR4_TYPE);
		bitmap4_set(&set, FATTR4_FILEID);
		bitmap4_set(&set, FATTR4_FILEHANDLE);
	}
	return set;
}

static nfstime4 random_delay(struct peer *p)
{
	return (nfstime4){.nseconds = prop_below(p, 2)
			? 0
			: (uint32_t)prop_below(p, 40) * 1000000};
}

void terms_make_want(struct hold *h)
{
	struct peer *p = h->peer;
	bitmap4 *types = &h->want.types;

	for (unsigned kind = 0; kind < CHANGE_KINDS; kind++) {
		if (h->terms.kinds & BIT(kind))
			bitmap4_set(types, kind);
	}
	if (h->terms.extend)
		bitmap4_set(types, NOTIFY4_GFLAG_EXTEND);
	if (h->terms.order)
		bitmap4_set(types, NOTIFY4_CFLAG_ORDER);
	h->want.child_attrs = random_child_attrs(p);
	h->want.dir_attrs = random_attrs(p, fattr4_dir_notifiable());
	h->want.child_delay = random_delay(p);
	h->want.dir_delay = random_delay(p);
}

/* ---- the grant ---- */

/* Is there anything in it that can change? */
static bool can_change(bitmap4 set)
{
	static const unsigned fixed[] = {FATTR4_TYPE, FATTR4_NAMED_ATTR,
		FATTR4_FSID, FATTR4_FILEHANDLE, FATTR4_FILEID, FATTR4_RAWDEV,
		FATTR4_TIME_CREATE, FATTR4_MOUNTED_ON_FILEID};

	for (size_t i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		bitmap4_clear(&set, fixed[i]);
	return !bitmap4_empty(&set);
}

/*
 * Changes of attributes are promised only of those that were named and can
 * change. Who asks for kinds and gets none gets no flag either.
 */
static uint32_t expected_types(const struct hold *h)
{
	uint32_t kinds = h->terms.kinds & dirdeleg_supported();

	if (!can_change(h->want.child_attrs))
		kinds &= ~BIT(CHANGE_CHILD_ATTRS);
	if (!can_change(h->want.dir_attrs))
		kinds &= ~BIT(CHANGE_DIR_ATTRS);
	if (h->terms.kinds && !kinds)
		return 0;
	return kinds | (h->terms.extend ? BIT(NOTIFY4_GFLAG_EXTEND) : 0) |
		(h->terms.order ? BIT(NOTIFY4_CFLAG_ORDER) : 0);
}

static void check_attrs(const struct hold *h, const bitmap4 *granted,
	const bitmap4 *want, bitmap4 can, const char *whose)
{
	bitmap4 expected = bitmap4_and(want, &can);

	if (!bitmap4_equal(granted, &expected))
		prop_fail(h->peer->world, "granted other attributes of %s",
			whose);
}

void terms_check_grant(const struct hold *h)
{
	const struct world *w = h->peer->world;
	uint32_t granted = h->deleg.types.word[0];
	uint32_t expected = expected_types(h);

	/* What cannot be read is not promised, nor what finds no memory. */
	if ((w->weather.store_fails || w->weather.memory) &&
		!(granted & ~expected))
		expected = granted;
	if (granted != expected)
		prop_fail(w, "asked for types %x, granted %x, expected %x",
			h->want.types.word[0], granted, expected);
	if (granted & CHILD_KINDS)
		check_attrs(h, &h->deleg.child_attrs, &h->want.child_attrs,
			fattr4_child_notifiable(), "children");
	if (granted & BIT(CHANGE_DIR_ATTRS))
		check_attrs(h, &h->deleg.dir_attrs, &h->want.dir_attrs,
			fattr4_dir_notifiable(), "the directory");
}
