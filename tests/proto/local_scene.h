/* SPDX-License-Identifier: MIT */
/*
 * A directory of a memory store that others change behind the server's back, a
 * client that is to hold it and another one.
 */
#ifndef TESTS_PROTO_LOCAL_SCENE_H
#define TESTS_PROTO_LOCAL_SCENE_H

#include "peer.h"
#include "rig.h"

struct scene {
	struct rig r;
	struct store *below;
	struct peer holder, other;
	struct fileid root, dir; /* "dir" in the root */
};

/* A fresh one; @adjust, if not NULL, says what is otherwise in the config. */
void scene_init(struct scene *s, rig_adjust adjust);
void scene_fini(struct scene *s);

/*
 * Others make "held" in the directory, and looking at it waits for the disk
 * until fault_release() of the rig's store. Somebody holds the directory.
 */
void scene_hold_look(struct scene *s);

/* cmocka: a fresh scene for each test in *@state. */
int scene_setup(void **state);
int scene_teardown(void **state);

#endif
