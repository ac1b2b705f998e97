/* SPDX-License-Identifier: MIT */
/*
 * One change as the holders of delegations will hear of it: one allocation,
 * shared by all of them, names and attributes as of the change. Packed to what
 * the change has, because a queue may hold thousands; dir_event_read() makes a
 * struct dir_change of it again for the encoder.
 */
#ifndef STATE_DIREVENT_H
#define STATE_DIREVENT_H

#include <stddef.h>
#include <stdint.h>

#include "base/ref.h"
#include "vocab/change.h"

struct dir_form;

struct dir_event {
	struct ref ref;
	uint8_t kind;  /* enum change_kind */
	uint8_t flags; /* which parts follow */
	uint32_t size; /* of the allocation, for the queues' limits */
	uint64_t when_ms;
	uint64_t before, after;
	uint64_t previous_cookie;
	uint64_t old_verifier, new_verifier;
	struct dir_form *_Atomic forms; /* see dirform.h */
	uint64_t data[]; /* entry, old, overwritten, dir_attr, previous */
};

/* A copy of @change with one reference; NULL when out of memory. */
struct dir_event *dir_event_new(
	const struct dir_change *change, uint64_t when_ms);
struct dir_event *dir_event_ref(struct dir_event *e);
void dir_event_put(struct dir_event *e);

/* Memory of all events there are in this process, forms included. */
uint64_t dir_event_bytes(void);
void dir_event_count_bytes(int64_t more);

/* Does it know attributes of the directory itself? */
bool dir_event_has_dir_attr(const struct dir_event *e);

/* The change as it was; its names are borrowed from @e. */
void dir_event_read(const struct dir_event *e, struct dir_change *ret);

#endif
