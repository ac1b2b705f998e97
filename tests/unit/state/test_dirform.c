/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <string.h>

#include "proto/nfs4.h"
#include "state/dirform.h"

static struct dir_event *new_event(void)
{
	struct dir_change c = {.kind = CHANGE_ADD_ENTRY};
	struct dir_event *e;

	c.entry.name = name_from_str("name");
	e = dir_event_new(&c, 0);
	assert_non_null(e);
	return e;
}

/* The @i-th of 16 keys, all different. */
static struct dir_form_key key_of(unsigned i)
{
	struct dir_form_key key = {
		.via = i & 1, .ordered = i & 2, .of_dir_attr = i & 4};

	if (i & 8)
		bitmap4_set(&key.attrs, FATTR4_FILEHANDLE);
	return key;
}

static struct xdr_opaque bytes_of(unsigned i)
{
	static const char *const text[] = {"0000", "1111aaaa", "2222", "3333",
		"4444", "5555bbbbcccc", "6666", "7777"};

	return xdr_opaque_from_str(text[i % 8]);
}

static void keep(struct dir_event *e, unsigned i)
{
	struct dir_form_key key = key_of(i);

	dir_form_keep(e, &key, bytes_of(i));
}

static bool has(struct dir_event *e, unsigned i)
{
	struct dir_form_key key = key_of(i);
	struct xdr_opaque found = dir_form_find(e, &key), own = bytes_of(i);

	if (found.len == 0)
		return false;
	assert_true(xdr_opaque_equal(&found, &own));
	return true;
}

static void dd07_a_form_is_for_its_terms_alone(void **state)
{
	for (unsigned i = 0; i < 16; i++) {
		struct dir_event *e = new_event();

		keep(e, i);
		for (unsigned other = 0; other < 16; other++)
			assert_int_equal(has(e, other), other == i);
		dir_event_put(e);
	}
}

static void an_event_keeps_a_few_and_frees_them(void **state)
{
	uint64_t none = dir_event_bytes();
	struct dir_event *e = new_event();
	uint64_t bare = dir_event_bytes();

	for (unsigned i = 0; i < 16; i++) {
		keep(e, i);
		assert_int_equal(has(e, i), i < DIR_FORMS_MAX);
	}
	assert_true(dir_event_bytes() > bare);
	bare = dir_event_bytes();
	keep(e, 0); /* there already */
	assert_int_equal(dir_event_bytes(), bare);
	dir_event_put(e);
	assert_int_equal(dir_event_bytes(), none);
}

/* In a queue and in the batch taken from it, an event has two references. */
static void dd07_it_is_wanted_only_while_another_waits(void **state)
{
	struct dir_event *e = new_event();

	assert_false(dir_form_is_wanted(e));
	dir_event_ref(e);
	assert_false(dir_form_is_wanted(e));
	dir_event_ref(e);
	assert_true(dir_form_is_wanted(e));
	for (unsigned i = 0; i < DIR_FORMS_MAX; i++)
		keep(e, i);
	assert_false(dir_form_is_wanted(e));
	for (int i = 0; i < 3; i++)
		dir_event_put(e);
}

#define SENDERS 4
#define EVENTS  500

struct senders {
	pthread_barrier_t together;
	struct dir_event *events[EVENTS];
};

/* As senders do: what is not there is made, and what is there is right. */
static void *send_all(void *arg)
{
	struct senders *s = arg;

	pthread_barrier_wait(&s->together);
	for (unsigned i = 0; i < EVENTS; i++) {
		for (unsigned k = 0; k < DIR_FORMS_MAX; k++) {
			if (!has(s->events[i], k))
				keep(s->events[i], k);
			assert_true(has(s->events[i], k));
		}
		dir_event_put(s->events[i]);
	}
	return NULL;
}

static void dd07_senders_at_the_same_time_agree(void **state)
{
	uint64_t before = dir_event_bytes();
	pthread_t threads[SENDERS];
	struct senders s;

	pthread_barrier_init(&s.together, NULL, SENDERS);
	for (unsigned i = 0; i < EVENTS; i++) {
		s.events[i] = new_event();
		for (unsigned n = 1; n < SENDERS; n++)
			dir_event_ref(s.events[i]);
	}
	for (unsigned i = 0; i < SENDERS; i++)
		assert_int_equal(
			pthread_create(&threads[i], NULL, send_all, &s), 0);
	for (unsigned i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	pthread_barrier_destroy(&s.together);
	assert_int_equal(dir_event_bytes(), before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dd07_a_form_is_for_its_terms_alone),
		cmocka_unit_test(an_event_keeps_a_few_and_frees_them),
		cmocka_unit_test(dd07_it_is_wanted_only_while_another_waits),
		cmocka_unit_test(dd07_senders_at_the_same_time_agree),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
