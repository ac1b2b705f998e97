/* SPDX-License-Identifier: MIT */
#include "prop_actor.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/rand.h"

#define ACTS_MAX 16384

/* Shared with the actor, whatever it is. */
struct shared {
	struct local_job job;
	size_t count, before; /* of acts; those of the period before */
	struct local_act acts[ACTS_MAX];
};

static struct {
	bool posix;
	const struct deeds *deeds;
	struct shared *shared;
	pthread_t thread;
	pid_t pid;
	int fd; /* to that process: a byte each way for each job */
} local = {.fd = -1};

static _Noreturn void die(const char *what)
{
	perror(what);
	abort();
}

/* ---- the diary ---- */

static void note(enum local_deed deed, uint64_t dir, int name)
{
	struct shared *s = local.shared;

	if (s->count == ACTS_MAX)
		die("the diary is full");
	s->acts[s->count++] = (struct local_act){deed, dir, name};
}

static size_t count(void)
{
	return local.shared ? local.shared->count : 0;
}

/* Reports may come late, so the last period's are kept once more. */
size_t actor_turn(void)
{
	struct shared *s = local.shared;
	size_t fresh = s ? s->count - s->before : 0;

	if (!s)
		return 0;
	memmove(s->acts, s->acts + s->before,
		(s->count - s->before) * sizeof(s->acts[0]));
	s->count -= s->before;
	s->before = s->count;
	return fresh;
}

bool actor_did(enum local_deed deed, uint64_t dir, int name)
{
	for (size_t i = 0; i < count(); i++) {
		const struct local_act *a = &local.shared->acts[i];

		if (a->deed == deed && (dir == 0 || a->dir == dir) &&
			(name < 0 || a->name == name))
			return true;
	}
	return false;
}

bool actor_ended_some(void)
{
	for (size_t i = 0; i < count(); i++) {
		if (local.shared->acts[i].deed == LOCAL_ENDED)
			return true;
	}
	return false;
}

/* ---- random things ---- */

struct actor {
	const struct local_job *job;
	const struct deeds *deeds;
	struct rand_stream rand;
};

static uint64_t below(struct actor *a, uint64_t bound)
{
	return rand_stream_below(&a->rand, bound);
}

static int any_name(struct actor *a)
{
	unsigned usual = a->job->nnames - a->job->nrare;

	if (a->job->nrare && below(a, 300) == 0)
		return (int)(usual + below(a, a->job->nrare));
	return (int)below(a, usual);
}

static const char *name_of(const struct actor *a, int name)
{
	return a->job->names[name];
}

/* As the clients: less where less is promised, which are the last two. */
static int any_top(struct actor *a)
{
	uint64_t dice = below(a, 20);

	if (dice == 0)
		return LOCAL_TOPS - 1;
	return dice < 3 ? LOCAL_TOPS - 2 : (int)below(a, LOCAL_TOPS - 2);
}

/* A top, or sometimes a directory in it. */
static int enter_any(struct actor *a, struct deed_place *ret)
{
	struct deed_place top;
	int err = a->deeds->enter(a->job, any_top(a), NULL, "", &top);

	if (err)
		die("a top is gone");
	if (below(a, 6) ||
		a->deeds->enter(
			a->job, 0, &top, name_of(a, any_name(a)), ret)) {
		*ret = top;
		return 0;
	}
	a->deeds->leave(&top);
	return 0;
}

static void create(struct actor *a, const struct deed_place *at)
{
	static const enum object_type types[] = {
		OBJECT_FILE, OBJECT_FILE, OBJECT_DIR, OBJECT_SYMLINK};
	int name = any_name(a);

	if (a->deeds->create(
		    a->job, at, name_of(a, name), types[below(a, 4)]) == 0)
		note(LOCAL_NAME, at->inode, name);
}

static void remove_(struct actor *a, const struct deed_place *at)
{
	int name = any_name(a);
	bool was_dir;

	if (a->deeds->remove(a->job, at, name_of(a, name), &was_dir) != 0)
		return;
	note(LOCAL_NAME, at->inode, name);
	if (was_dir)
		note(LOCAL_ENDED, at->inode, name);
}

static void rename_(struct actor *a, const struct deed_place *from,
	const struct deed_place *to)
{
	int name = any_name(a), new_name = any_name(a);

	if (a->deeds->rename(a->job, from, name_of(a, name), to,
		    name_of(a, new_name)) != 0)
		return;
	note(LOCAL_NAME, from->inode, name);
	note(LOCAL_NAME, to->inode, new_name);
	note(LOCAL_ENDED, to->inode, new_name);
}

static void link_(struct actor *a, const struct deed_place *from,
	const struct deed_place *to)
{
	int name = any_name(a), new_name = any_name(a);

	if (a->deeds->link(a->job, from, name_of(a, name), to,
		    name_of(a, new_name)) != 0)
		return;
	note(LOCAL_NAME, to->inode, new_name);
	note(LOCAL_LINKED, from->inode, name);
}

static void write_(struct actor *a, const struct deed_place *at)
{
	int name = any_name(a);

	if (a->deeds->write(a->job, at, name_of(a, name), below(a, 5000)) == 0)
		note(LOCAL_WRITTEN, at->inode, name);
}

/* Everybody may go on as before. */
static struct setattr any_attribute(struct actor *a)
{
	static const uint32_t modes[] = {0777, 0757, 0737, 0727};
	static const uint32_t what[] = {
		SETATTR_MODE, SETATTR_MODE, SETATTR_UID, SETATTR_MTIME};

	return (struct setattr){
		.mask = what[below(a, 4)],
		.mode = modes[below(a, 4)],
		.uid = (uint32_t)below(a, 2) * 4321,
		.mtime_ns = (int64_t)below(a, 1000000) * NSEC_PER_SEC,
	};
}

static void set_(struct actor *a, const struct deed_place *at, bool itself)
{
	const struct setattr set = any_attribute(a);
	int name = any_name(a);
	uint64_t dir = 0;

	if (a->deeds->set(a->job, at, itself ? "" : name_of(a, name), &set,
		    &dir) != 0)
		return;
	if (dir)
		note(LOCAL_SET, dir, -1);
	if (!itself)
		note(LOCAL_CHANGED, at->inode, name);
}

static void act(struct actor *a)
{
	uint64_t dice = below(a, 100);
	struct deed_place at, other;

	if (enter_any(a, &at))
		return;
	if (enter_any(a, &other)) {
		a->deeds->leave(&at);
		return;
	}
	if (dice < 35)
		create(a, &at);
	else if (dice < 55)
		remove_(a, &at);
	else if (dice < 70)
		rename_(a, &at, &at);
	else if (dice < 78)
		rename_(a, &at, &other);
	else if (dice < 85)
		link_(a, &at, &other);
	else if (dice < 91)
		write_(a, &at);
	else
		set_(a, &at, dice >= 98);
	a->deeds->leave(&at);
	a->deeds->leave(&other);
}

/* Now and then nobody sees it. */
static void act_unseen(struct actor *a)
{
	a->deeds->mute(a->job);
	for (uint64_t n = 1 + below(a, 5); n > 0; n--)
		act(a);
	a->deeds->lose(a->job);
}

static void act_randomly(struct actor *a)
{
	for (uint32_t i = 0; i < a->job->acts; i++) {
		if (a->job->loses && below(a, 20) == 0)
			act_unseen(a);
		else
			act(a);
		if (below(a, 4) == 0)
			usleep((useconds_t)below(a, 4000));
	}
}

/* ---- the quiet point's ---- */

static void probe(struct actor *a, const struct local_dir_id *dir)
{
	const char *name = name_of(a, LOCAL_NAMES - 1);
	struct deed_place at;
	bool was_dir;
	int err;

	if (a->deeds->find(a->job, dir, &at) != 0)
		return; /* it was removed: its holders are recalled */
	if (a->job->task == LOCAL_MAKE)
		err = a->deeds->create(a->job, &at, name, OBJECT_FILE);
	else
		err = a->deeds->remove(a->job, &at, name, &was_dir);
	if (err == 0)
		note(LOCAL_NAME, at.inode, LOCAL_NAMES - 1);
	a->deeds->leave(&at);
}

static void run(const struct deeds *deeds)
{
	struct actor a = {
		.job = &local.shared->job,
		.deeds = deeds,
		.rand = {.state = local.shared->job.seed},
	};

	if (a.job->task == LOCAL_ACT)
		act_randomly(&a);
	else
		for (size_t i = 0; i < a.job->ndirs; i++)
			probe(&a, &a.job->dirs[i]);
}

/* ---- who does it ---- */

static bool tell_other(void)
{
	return send(local.fd, "", 1, MSG_NOSIGNAL) == 1;
}

static bool await_other(void)
{
	ssize_t n;
	char c;

	do {
		n = recv(local.fd, &c, 1, 0);
	} while (n < 0 && errno == EINTR);
	return n == 1;
}

static _Noreturn void serve(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	umask(0);
	while (await_other()) {
		run(&deeds_host);
		if (!tell_other())
			break;
	}
	_exit(0);
}

static void fork_process(void)
{
	int ends[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0)
		die("socketpair");
	local.pid = fork();
	if (local.pid < 0)
		die("fork");
	local.fd = ends[local.pid == 0];
	close(ends[local.pid != 0]);
	if (local.pid == 0)
		serve();
}

void actor_init(bool posix)
{
	local.posix = posix;
	local.shared = mmap(NULL, sizeof(*local.shared), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (local.shared == MAP_FAILED)
		die("mmap");
	if (posix)
		fork_process();
}

void actor_fini(void)
{
	if (!local.shared)
		return;
	if (local.posix) {
		close(local.fd);
		while (waitpid(local.pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	munmap(local.shared, sizeof(*local.shared));
	local.shared = NULL;
}

struct local_job *actor_job(void)
{
	return &local.shared->job;
}

static void *run_thread(void *arg)
{
	run(&deeds_memory);
	return NULL;
}

void actor_begin(void)
{
	if (local.posix) {
		if (!tell_other())
			die("the local process");
	} else if (pthread_create(&local.thread, NULL, run_thread, NULL)) {
		die("a thread");
	}
}

void actor_end(void)
{
	if (!local.posix)
		pthread_join(local.thread, NULL);
	else if (!await_other())
		die("the local process is gone");
}
