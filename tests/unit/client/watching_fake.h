/* SPDX-License-Identifier: MIT */
/* A watcher and the fake server it watches: the fixture of its tests. */
#ifndef TESTS_UNIT_CLIENT_WATCHING_FAKE_H
#define TESTS_UNIT_CLIENT_WATCHING_FAKE_H

#include "fake.h"
#include "watching.h"

struct fixture {
	struct watching watching;
	struct fake *fake;
	struct nfsc_net *net;
	struct nfsc_config client;
};

/* For cmocka. */
int setup(void **state);
int teardown(void **state);

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

/* watching.h's functions, for short. */
void start(
	struct fixture *f, const char *path, bool recursive, const char *ready);
void expect_told(struct fixture *f, const char *line);
void expect_said(struct fixture *f, const char *line);
void expect_all(struct fixture *f, const char *lines);
void expect_silence(struct fixture *f);

struct fake_seen seen(struct fixture *f);

/* For fake_wait(): so many delegations were granted. */
bool has_grants(const struct fake_seen *s, unsigned n);

#endif
