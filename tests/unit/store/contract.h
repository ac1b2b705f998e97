/* SPDX-License-Identifier: MIT */
/*
 * What every store must do: store/store.h turned into tests, to be run over
 * any store. A test program says how to make one and calls contract_run().
 */
#ifndef TESTS_STORE_CONTRACT_H
#define TESTS_STORE_CONTRACT_H

#include <stdbool.h>

#include "store/store.h"

struct contract {
	const char *name; /* of the test groups */

	/* A new empty store, never NULL; and the end of it. */
	struct store *(*make)(void);
	void (*unmake)(struct store *s);

	/* The same files after a restart of the server. */
	struct store *(*restart)(struct store *s);

	/* Until file times have moved on by more than two ticks. */
	void (*pass_time)(void);

	/* Entries of the big directory; 100,000 unless that takes too long. */
	unsigned big;

	/* The caller's user is obeyed: false when the test is not root. */
	bool has_users;

	/*
	 * Directories do not fit in the index: changes come without cookies.
	 * Otherwise every change must have them.
	 */
	bool over_budget;

	/*
	 * Verifiers move now and then; implied when all is built with a narrow
	 * hash, and to be set when only the store's index is.
	 */
	bool collisions;
};

/* Runs all groups; how many tests failed. */
int contract_run(const struct contract *c);

#endif
