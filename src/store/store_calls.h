/* SPDX-License-Identifier: MIT */
/* What the waist counts of all stores' calls; read by store_call_stats(). */
#ifndef STORE_STORE_CALLS_H
#define STORE_STORE_CALLS_H

#include <stdbool.h>

#include "store/store.h"

/* One more call has ended. */
void store_calls_note(enum store_call call, bool failed);

#endif
