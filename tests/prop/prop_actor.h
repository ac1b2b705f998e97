/* SPDX-License-Identifier: MIT */
/*
 * Somebody who changes the served directories behind the server's back, while
 * its clients do the same: another process of the host that makes system calls
 * (posix), or a thread that uses the memory store's foreign changes. It keeps
 * a diary: what the server tells of local changes must be in it, and each
 * recall for one must be explained by it.
 *
 * The job and the diary are the actor's from actor_begin() to actor_end(), else
 * the test's.
 */
#ifndef TESTS_PROP_ACTOR_H
#define TESTS_PROP_ACTOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "store/store.h"

#define LOCAL_TOPS  8
#define LOCAL_NAMES 22
#define LOCAL_DIRS  256
#define LOCAL_PATH  192

enum local_task {
	LOCAL_ACT,    /* random things */
	LOCAL_MAKE,   /* make the last name in `dirs` */
	LOCAL_UNMAKE, /* remove it there */
};

struct local_dir_id {
	struct fileid id; /* memory */
	uint64_t inode;   /* posix */
};

struct local_job {
	enum local_task task;
	uint64_t seed;
	uint32_t acts;
	bool loses; /* memory: some reports are lost */
	/* Where: these and what is in them. */
	char path[LOCAL_TOPS][LOCAL_PATH]; /* posix */
	struct local_dir_id top[LOCAL_TOPS];
	struct store *store; /* memory: below the filter */
	struct local_dir_id dirs[LOCAL_DIRS];
	size_t ndirs;
	char names[LOCAL_NAMES][NAME_LEN_MAX + 1];
	unsigned nnames, nrare; /* to choose from; the last are rare */
};

enum local_deed {
	LOCAL_NAME,    /* @name of @dir came, went, or is something else */
	LOCAL_SET,     /* attributes of @dir itself */
	LOCAL_WRITTEN, /* what @dir has under @name was written to, */
	LOCAL_CHANGED, /* got another mode, owner or time, */
	LOCAL_LINKED,  /* or one more name */
	LOCAL_ENDED,   /* a directory may have been removed, in @dir */
};

struct local_act {
	enum local_deed deed;
	uint64_t dir; /* inode */
	int name;     /* index */
};

/*
 * Before there are threads. @posix: a process of its own, since the server does
 * not hear of its own process's changes.
 */
void actor_init(bool posix);
void actor_fini(void);

/* To be filled in before actor_begin(). */
struct local_job *actor_job(void);

void actor_begin(void);
void actor_end(void);

/* The end of a period: how much was done in it. */
size_t actor_turn(void);

/*
 * Did it do this in this period, or in the one before? @dir 0: in any
 * directory; @name < 0: to any name.
 */
bool actor_did(enum local_deed deed, uint64_t dir, int name);
bool actor_ended_some(void);

/* ---- between prop_actor.c and prop_deeds.c ---- */

/* A directory to work in. */
struct deed_place {
	struct fileid id;
	uint64_t inode;
	int fd;
};

/* How it is done: all return 0 or -errno. */
struct deeds {
	/* @name below @at, or the top @i if @at is NULL. Then leave(). */
	int (*enter)(const struct local_job *job, int i,
		const struct deed_place *at, const char *name,
		struct deed_place *ret);
	int (*find)(const struct local_job *job, const struct local_dir_id *dir,
		struct deed_place *ret);
	void (*leave)(struct deed_place *at);
	int (*create)(const struct local_job *job, const struct deed_place *at,
		const char *name, enum object_type type);
	int (*link)(const struct local_job *job, const struct deed_place *from,
		const char *name, const struct deed_place *to,
		const char *new_name);
	/* *@was_dir: it may have been a directory. */
	int (*remove)(const struct local_job *job, const struct deed_place *at,
		const char *name, bool *was_dir);
	int (*rename)(const struct local_job *job,
		const struct deed_place *from, const char *name,
		const struct deed_place *to, const char *new_name);
	/* @name empty: itself. *@dir: the inode if it is a directory, or 0. */
	int (*set)(const struct local_job *job, const struct deed_place *at,
		const char *name, const struct setattr *set, uint64_t *dir);
	int (*write)(const struct local_job *job, const struct deed_place *at,
		const char *name, uint64_t offset);
	/* What follows is not reported; and now it is lost. */
	void (*mute)(const struct local_job *job);
	void (*lose)(const struct local_job *job);
};

extern const struct deeds deeds_host, deeds_memory;

#endif
