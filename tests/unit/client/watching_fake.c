/* SPDX-License-Identifier: MIT */
#include "watching_fake.h"

#include <stdlib.h>

int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	watching_init(&f->watching);
	f->fake = fake_new();
	f->net = nfsc_net_new(NULL, NULL);
	nfsc_config_default(&f->client);
	f->client.net = f->net;
	f->client.dial = fake_dial;
	f->client.dial_ctx = f->fake;
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;

	watching_fini(&f->watching);
	nfsc_net_free(f->net);
	fake_free(f->fake);
	free(f);
	return 0;
}

void start(
	struct fixture *f, const char *path, bool recursive, const char *ready)
{
	watching_start(&f->watching, &f->client, path, recursive, ready);
}

void expect_told(struct fixture *f, const char *line)
{
	watching_expect(&f->watching, f->watching.told, line);
}

void expect_said(struct fixture *f, const char *line)
{
	watching_expect(&f->watching, f->watching.said, line);
}

void expect_all(struct fixture *f, const char *lines)
{
	watching_expect_all(&f->watching, lines);
}

void expect_silence(struct fixture *f)
{
	watching_expect_silence(&f->watching);
}

struct fake_seen seen(struct fixture *f)
{
	struct fake_seen s;

	fake_read_seen(f->fake, &s);
	return s;
}

bool has_grants(const struct fake_seen *s, unsigned n)
{
	return s->grants >= n;
}
