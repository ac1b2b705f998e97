/* SPDX-License-Identifier: MIT */
/*
 * Which attributes of an entry a watcher asks for, and what it tells when they
 * differ: functions of their inputs alone, as state/policy_*.h.
 */
#ifndef CLIENT_POLICY_ATTRS_H
#define CLIENT_POLICY_ATTRS_H

#include "proto/bitmap4.h"
#include "proto/nfs4.h"
#include "vocab/attr.h"

/*
 * Not the change attribute: a server may give it two values without a change
 * (doc/design.md), and time_metadata moves with every change as well. Not
 * time_access: reading changes nothing.
 */
static inline bitmap4 policy_attrs_watched(void)
{
	bitmap4 watched = {.beyond = false};

	bitmap4_set(&watched, FATTR4_SIZE);
	bitmap4_set(&watched, FATTR4_MODE);
	bitmap4_set(&watched, FATTR4_NUMLINKS);
	bitmap4_set(&watched, FATTR4_OWNER);
	bitmap4_set(&watched, FATTR4_OWNER_GROUP);
	bitmap4_set(&watched, FATTR4_TIME_METADATA);
	bitmap4_set(&watched, FATTR4_TIME_MODIFY);
	return watched;
}

struct policy_attrs_verdict {
	bool modify; /* the contents changed */
	bool attrib; /* anything else did */
};

/*
 * What to tell of an entry whose attributes @changed. @told: the server said
 * that some did, and no listing can have shown it before; then something did
 * even where the values are the same, as when time_metadata stood still.
 *
 * Size, times and link count of a directory follow what happens in it, which
 * is told by who watches it; so only what else changes is told of it.
 */
static inline struct policy_attrs_verdict policy_attrs_judge(
	enum object_type type, const bitmap4 *changed, bool told)
{
	bool contents = bitmap4_has(changed, FATTR4_SIZE) ||
		bitmap4_has(changed, FATTR4_TIME_MODIFY);
	bool links = bitmap4_has(changed, FATTR4_NUMLINKS);
	bool rights = bitmap4_has(changed, FATTR4_MODE) ||
		bitmap4_has(changed, FATTR4_OWNER) ||
		bitmap4_has(changed, FATTR4_OWNER_GROUP);
	bool touched = bitmap4_has(changed, FATTR4_TIME_METADATA);

	if (type == OBJECT_DIR)
		return (struct policy_attrs_verdict){
			.attrib = rights || (touched && !contents && !links)};
	return (struct policy_attrs_verdict){
		.modify = contents,
		.attrib = rights || links || ((touched || told) && !contents),
	};
}

#endif
