/* SPDX-License-Identifier: MIT */
#include "local_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <unistd.h>

#include "store/memory_foreign.h"

/* Of the scene that is being made. */
static rig_adjust adjust_more;

static void others_write_here(struct nfs_server_config *config)
{
	config->exports[0].local_changes = true;
	if (adjust_more)
		adjust_more(config);
}

void scene_init(struct scene *s, rig_adjust adjust)
{
	memset(s, 0, sizeof(*s));
	adjust_more = adjust;
	rig_init(&s->r, others_write_here);
	s->below = s->r.below;
	s->dir = rig_make(&s->r, "dir", OBJECT_DIR, 0777);
	assert_int_equal(store_root(s->below, &s->root), 0);
	peer_init(&s->holder, s->r.server, "holder");
	peer_init(&s->other, s->r.server, "other");
}

void scene_fini(struct scene *s)
{
	peer_fini(&s->holder);
	peer_fini(&s->other);
	rig_fini(&s->r);
}

void scene_hold_look(struct scene *s)
{
	fault_hang(s->r.store);
	assert_int_equal(memory_foreign_create(s->below, &s->dir,
				 name_from_str("held"), OBJECT_FILE, NULL),
		0);
	while (fault_waiting(s->r.store) == 0)
		usleep(1000);
}

int scene_setup(void **state)
{
	static struct scene scene;

	scene_init(&scene, NULL);
	*state = &scene;
	return 0;
}

int scene_teardown(void **state)
{
	scene_fini(*state);
	return 0;
}
