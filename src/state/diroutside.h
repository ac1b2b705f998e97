/* SPDX-License-Identifier: MIT */
/*
 * The change section for what others did on the server's disk (DD-23). It has
 * happened already, so nobody is asked and nobody waits: who covers it is told,
 * who does not is recalled (local_change). The sequence is
 *
 *	dirchange_begin		with nobody as the mutator
 *	diroutside_told		what the holders know; compare it with the store
 *	diroutside_admit	the difference
 *	dirchange_commit
 * or	dirchange_abort
 */
#ifndef STATE_DIROUTSIDE_H
#define STATE_DIROUTSIDE_H

#include "state/dirchange.h"
#include "state/told.h"

/*
 * Something happened in the section's directory. Recalls the holders that take
 * recalls only, and all of them when it is not known what they were told. The
 * told set with a reference, else NULL: there is nobody to tell.
 */
struct told *diroutside_told(struct dirchange *dc);

/* As dirchange_admit(), for what has happened; no victim, and never fails. */
void diroutside_admit(struct dirchange *dc, const struct dirchange_plan *plan);

/* Recall (local_change) those of the directory who do not cover @kind. */
void diroutside_recall_uncovered(struct dirchange *dc, enum change_kind kind);

#endif
