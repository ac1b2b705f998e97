/* SPDX-License-Identifier: MIT */
/*
 * An event as it is told: its bytes on the wire, kept with the event, so that
 * they are made once for all holders who were promised the same. What the bytes
 * are is the sender's business; here they are found again. A form never
 * changes, and goes with its event.
 */
#ifndef STATE_DIRFORM_H
#define STATE_DIRFORM_H

#include <stdbool.h>
#include <stddef.h>

#include "proto/bitmap4.h"
#include "proto/opaque.h"
#include "state/direvent.h"

/* An event keeps so many forms; to other holders it is encoded each time. */
#define DIR_FORMS_MAX 4

/* All that decides what a holder is told of an event. */
struct dir_form_key {
	bitmap4 attrs;    /* granted, of the entry or of the directory itself */
	uint32_t via;     /* the export of filehandles; 0 if there are none */
	bool ordered;     /* with cookies and position */
	bool of_dir_attr; /* not the event's own, but its dir_attr */
};

/*
 * Is @e, which the caller took from a queue, in the queue of anybody else, and
 * is there room? Else a form would be of no use.
 */
bool dir_form_is_wanted(const struct dir_event *e);

/* The form of @e for @key; it lives as long as @e. Nothing (len 0): none. */
struct xdr_opaque dir_form_find(
	const struct dir_event *e, const struct dir_form_key *key);

/* Keep a copy of @bytes for @key, if there is room and memory. */
void dir_form_keep(struct dir_event *e, const struct dir_form_key *key,
	struct xdr_opaque bytes);

/* For dir_event_put(): free all; returns how much memory they were. */
size_t dir_forms_free(struct dir_form *forms);

#endif
