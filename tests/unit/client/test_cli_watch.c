/* SPDX-License-Identifier: MIT */
/* herald watch's options, as a process against the fake server. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "herald_process.h"

#define STRINGS(...)                            \
	(const char *const[])                   \
	{                                       \
		__VA_ARGS__ __VA_OPT__(, ) NULL \
	}

static void assert_usage(struct fixture *f, const char *const *options,
	const char *const *command, const char *why)
{
	watch_with(f, options, "/", command);
	expect_err(f, why);
	expect_err(f, "--help");
	assert_int_equal(finish(f), 1);
	f->child.err_text[0] = '\0';
}

static void test_usage(void **state)
{
	struct fixture *f = *state;

	assert_usage(f, STRINGS("-e", "create,nix"), NULL, "create,nix");
	assert_usage(f, STRINGS("-e", ""), NULL, "events are");
	assert_usage(f, STRINGS("-e", "create,"), NULL, "create,");
	assert_usage(f, STRINGS("--count", "0"), NULL, "0: not a number");
	assert_usage(f, STRINGS("--count", "-1"), NULL, "not a number");
	assert_usage(f, STRINGS("--count", "1x"), NULL, "not a number");
	assert_usage(f, STRINGS("-t", "x"), NULL, "not a number of seconds");
	assert_usage(f, STRINGS("-t", "-1"), NULL, "not a number of seconds");
	assert_usage(f, STRINGS("-t", "nan"), NULL, "not a number of seconds");
	assert_usage(f, STRINGS("x", "-r"), NULL, "one URL is needed");
	start(f, STRINGS("watch", "nfs://x/", "--exec"));
	expect_err(f, "a command is needed");
	assert_int_equal(finish(f), 1);
}

/* ---- which events, and how many ---- */

static void test_filter(void **state)
{
	struct fixture *f = *state;

	fake_grant_attrs(f->fake, true);
	fake_create(f->fake, "x");
	watch_with(
		f, STRINGS("-e", "Create,MODIFY", "-e", "rescan"), "/", NULL);
	expect_err(f, "watching /");
	fake_chmod_entry(f->fake, "x");
	fake_write(f->fake, "x");
	fake_create(f->fake, "y");
	fake_rename(f->fake, "y", "z");
	fake_remove(f->fake, "z");
	fake_chmod(f->fake, "");
	expect_out(f, "/ RESCAN\n");
	assert_string_equal(f->child.out_text, "");
	end_well(f, SIGINT);
}

static void test_attrs(void **state)
{
	struct fixture *f = *state;

	fake_grant_attrs(f->fake, true);
	fake_create(f->fake, "x");
	watch(f, "--json", "/");
	expect_err(f, "watching /");
	fake_write(f->fake, "x");
	fake_chmod_entry(f->fake, "x");
	expect_out(f,
		"{\"event\":\"MODIFY\",\"dir\":\"/\",\"name\":\"x\","
		"\"type\":\"file\"}\n"
		"{\"event\":\"ATTRIB\",\"dir\":\"/\",\"name\":\"x\","
		"\"type\":\"file\"}\n");
	end_well(f, SIGINT);
}

static void test_no_attrs(void **state)
{
	struct fixture *f = *state;

	watch(f, "-v", "/");
	expect_err(f, "changed attributes are not told\n");
	end_well(f, SIGINT);
}

static void test_count(void **state)
{
	struct fixture *f = *state;
	struct fake_seen seen;

	watch_with(f, STRINGS("--count", "2", "-e", "create", "-t", "0"), "/",
		NULL);
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	fake_remove(f->fake, "a");
	fake_create(f->fake, "b");
	assert_int_equal(finish(f), 0);
	expect_out(f, "/ CREATE a\n/ CREATE b\n");
	fake_read_seen(f->fake, &seen);
	assert_int_equal(seen.delegations, 0);
	assert_int_equal(seen.destroyed_clients, 1);
}

/* More at once than were asked for. */
static void test_count_of_many(void **state)
{
	struct fixture *f = *state;

	watch_with(f, STRINGS("--count", "3"), "/", NULL);
	expect_err(f, "watching /");
	fake_mute(f->fake, true);
	for (int i = 0; i < 9; i++)
		fake_create(f->fake, (char[]){(char)('a' + i), '\0'});
	fake_mute(f->fake, false);
	fake_chmod(f->fake, "");
	assert_int_equal(finish(f), 0);
	expect_out(f, "/ RESCAN\n/ CREATE a\n/ CREATE b\n");
	assert_string_equal(f->child.out_text, "");
}

/* ---- time ---- */

static void test_timeout(void **state)
{
	struct fixture *f = *state;
	struct fake_seen seen;

	watch_with(f, STRINGS("--timeout", "0.2"), "/", NULL);
	assert_int_equal(finish(f), 2);
	expect_err(f, "watching /");
	fake_read_seen(f->fake, &seen);
	assert_int_equal(seen.delegations, 0);
	assert_int_equal(seen.destroyed_clients, 1);
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

/* Each event that is asked for begins it anew; others do not. */
static void test_timeout_begins_anew(void **state)
{
	struct fixture *f = *state;
	uint64_t last = 0;

	watch_with(f, STRINGS("-t", "3", "-e", "create"), "/", NULL);
	expect_err(f, "watching /");
	for (int i = 0; i < 4; i++) {
		usleep(800 * 1000);
		last = now_ms();
		fake_create(f->fake, (char[]){(char)('a' + i), '\0'});
		expect_out(f, "/ CREATE ");
	}
	fake_remove(f->fake, "a");
	assert_int_equal(finish(f), 2);
	assert_true(now_ms() - last >= 3000);
}

/* ---- the end ---- */

static void test_removed(void **state)
{
	struct fixture *f = *state;

	fake_mkdir(f->fake, "dir");
	watch(f, NULL, "/dir");
	expect_err(f, "watching /dir");
	fake_remove(f->fake, "dir");
	expect_err(f, "/dir: cannot be watched any more");
	assert_int_equal(finish(f), 1);
}

/* ---- commands ---- */

static void test_exec(void **state)
{
	struct fixture *f = *state;

	setenv("HERALD_TO", "not ours", 1);
	watch_with(f, NULL, "/",
		STRINGS("sh", "-c",
			"echo \"$HERALD_EVENT,$HERALD_DIR,$HERALD_NAME,"
			"${HERALD_TO-none},$1\"",
			"sh", "an argument"));
	unsetenv("HERALD_TO");
	expect_err(f, "watching /");
	fake_create(f->fake, "a b\n$(id)");
	fake_rename(f->fake, "a b\n$(id)", "x");
	expect_out(f,
		"/ CREATE a\\ b\\n$(id)\n"
		"CREATE,/,a b\n$(id),none,an argument\n"
		"/ MOVE a\\ b\\n$(id) x\n"
		"MOVE,/,a b\n$(id),x,an argument\n");
	fake_chmod(f->fake, "");
	expect_out(f, "/ RESCAN\nRESCAN,/,,none,an argument\n");
	end_well(f, SIGINT);
}

/* One after the other, in order, and each is waited for. */
static void test_exec_order(void **state)
{
	struct fixture *f = *state;

	watch_with(f, STRINGS("--count", "20"), "/",
		STRINGS("sh", "-c", "sleep 0.01; echo $HERALD_NAME"));
	expect_err(f, "watching /");
	for (int i = 0; i < 20; i++)
		fake_create(f->fake, (char[]){(char)('a' + i), '\0'});
	assert_int_equal(finish(f), 0);
	for (int i = 0; i < 20; i++) {
		char line[32];

		snprintf(line, sizeof(line), "/ CREATE %c\n%c\n", 'a' + i,
			'a' + i);
		expect_out(f, line);
	}
	assert_string_equal(f->child.out_text, "");
}

static void test_exec_status(void **state)
{
	struct fixture *f = *state;

	watch_with(f, STRINGS("-v", "--count", "2"), "/",
		STRINGS("sh", "-c",
			"[ $HERALD_NAME = a ] && exit 3; kill -TERM $$"));
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	expect_err(f, "herald: sh: exited with 3\n");
	fake_create(f->fake, "b");
	expect_err(f, "herald: sh: killed by SIGTERM\n");
	assert_int_equal(finish(f), 0);
}

/* No connection of ours, nothing to read, and signals as usual. */
static void test_exec_inherits(void **state)
{
	struct fixture *f = *state;

	watch_with(f, STRINGS("-v", "--count", "1"), "/",
		STRINGS("sh", "-c",
			"cat; ls -l /proc/$$/fd | grep -E 'socket|anon';"
			"grep SigBlk /proc/self/status; kill -PIPE $$"));
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	assert_int_equal(finish(f), 0);
	expect_out(f, "/ CREATE a\nSigBlk:\t0000000000000000\n");
	expect_err(f, "killed by SIGPIPE\n");
}

static void test_exec_nothing(void **state)
{
	struct fixture *f = *state;

	watch_with(f, NULL, "/", STRINGS("/nix/da"));
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	expect_err(f, "herald: /nix/da: No such file or directory\n");
	assert_int_equal(finish(f), 1);
}

/* The one that runs is waited for, those to come are not begun. */
static void test_exec_interrupted(void **state)
{
	struct fixture *f = *state;

	watch_with(f, NULL, "/",
		STRINGS("sh", "-c", "echo go; sleep 0.5; echo done"));
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	fake_create(f->fake, "b");
	expect_out(f, "/ CREATE a\ngo\n");
	end_well(f, SIGINT);
	expect_out(f, "done\n");
	assert_string_equal(f->child.out_text, "");
}

/* It does not end: it is asked to, then made to. */
static void test_exec_stubborn(void **state)
{
	struct fixture *f = *state;

	watch_with(f, NULL, "/",
		STRINGS("sh", "-c",
			"trap '' TERM; echo go; while :; do "
			"sleep 0.1; done"));
	expect_err(f, "watching /");
	fake_create(f->fake, "a");
	expect_out(f, "go\n");
	end_well(f, SIGTERM);
}

static bool is_returning(const struct fake_seen *seen, unsigned n)
{
	return seen->returning >= n;
}

/*
 * One end that is said twice, as timeout(1) does, to the process and to its
 * group: delegations are returned all the same.
 */
static void test_signalled_twice(void **state)
{
	struct fixture *f = *state;

	fake_hold_returns(f->fake, true);
	watch(f, NULL, "/");
	expect_err(f, "watching /");
	kill(f->child.pid, SIGSTOP);
	kill(f->child.pid, SIGINT);
	kill(f->child.pid, SIGTERM);
	kill(f->child.pid, SIGCONT);
	assert_true(fake_wait(f->fake, is_returning, 1));
	fake_hold_returns(f->fake, false);
	end_well(f, SIGCONT);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_usage),
		TEST(test_filter),
		TEST(test_attrs),
		TEST(test_no_attrs),
		TEST(test_count),
		TEST(test_count_of_many),
		TEST(test_timeout),
		TEST(test_timeout_begins_anew),
		TEST(test_removed),
		TEST(test_exec),
		TEST(test_exec_order),
		TEST(test_exec_status),
		TEST(test_exec_inherits),
		TEST(test_exec_nothing),
		TEST(test_exec_interrupted),
		TEST(test_signalled_twice),
		TEST(test_exec_stubborn),
	};

	program = argv[argc - 1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
