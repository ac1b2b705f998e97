/* SPDX-License-Identifier: MIT */
/* What dirchange.c shares with dirattrs.c. */
#ifndef STATE_DIRCHANGE_PRIVATE_H
#define STATE_DIRCHANGE_PRIVATE_H

#include "state/dirchange.h"

/*
 * Judge all holders of @dir[@i]: who is in the way is recalled and sets
 * `blocked`, who is told sets `wants`. With @lenient only those who cover
 * @kind count. Inside the section.
 */
void dirchange_judge_all(
	struct dirchange *dc, int i, enum change_kind kind, bool lenient);

/* Admitted: from now on what others read is of neither state. */
void dirchange_begin_values(
	struct dirchange *dc, const struct dirchange_plan *plan);

#endif
