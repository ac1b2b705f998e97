/* SPDX-License-Identifier: MIT */
/*
 * A shortage of memory: malloc(), calloc() and realloc() of a program linked
 * with this fail when its test says so. One thread.
 */
#ifndef TESTS_LIB_SHORTAGE_H
#define TESTS_LIB_SHORTAGE_H

#include <stdbool.h>

/* Since it began. */
struct shortage {
	unsigned asked;  /* how often memory was asked for */
	unsigned failed; /* and not given */
};

extern struct shortage shortage;

/*
 * From now on memory is given @spare times. What is asked for next fails, and
 * if it is @lasting, all until the end.
 */
void shortage_begin(unsigned spare, bool lasting);

/* The counts above stay. */
void shortage_end(void);

#endif
