/* SPDX-License-Identifier: MIT */
#include "base/setting.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: a value is written in the first that divides it. */
static const struct unit durations[] = {
	{"h", 60 * 60 * 1000}, {"m", 60 * 1000}, {"s", 1000}, {"ms", 1}, {0}};
static const struct unit sizes[] = {{"TiB", UINT64_C(1) << 40},
	{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {0}};
static const struct unit numbers[] = {{"", 1}, {0}};

static const char *const bools[] = {
	"false", "true", "no", "yes", "off", "on", NULL};

static const struct unit *units_of(enum setting_type type)
{
	if (type == SETTING_DURATION)
		return durations;
	return type == SETTING_SIZE ? sizes : numbers;
}

static void *member(const struct setting *row, void *section)
{
	return (char *)section + row->at;
}

static int word_index(const char *const *words, const char *text)
{
	for (int i = 0; words[i]; i++) {
		if (strcmp(words[i], text) == 0)
			return i;
	}
	return -1;
}

/* ---- numbers with units ---- */

/* Digits only, no sign and no space. Where they end, or NULL. */
static const char *parse_digits(const char *text, uint64_t *ret)
{
	const char *at = text;

	for (*ret = 0; *at >= '0' && *at <= '9'; at++) {
		if (__builtin_mul_overflow(*ret, 10, ret) ||
			__builtin_add_overflow(*ret, *at - '0', ret))
			return NULL;
	}
	return at == text ? NULL : at;
}

/* Nothing needs no unit. */
static bool apply_unit(
	const struct unit *units, const char *name, uint64_t *value)
{
	if (*name == '\0' && *value == 0)
		return true;
	for (; units->name; units++) {
		if (strcmp(units->name, name) == 0)
			return !__builtin_mul_overflow(
				*value, units->factor, value);
	}
	return false;
}

static int set_number(const struct setting *row, uint64_t *to, const char *text)
{
	uint64_t value;
	const char *unit = parse_digits(text, &value);

	if (!unit || !apply_unit(units_of(row->type), unit, &value) ||
		value < row->min || value > row->max)
		return -EINVAL;
	*to = value;
	return 0;
}

static void format_number(
	enum setting_type type, uint64_t value, char *buf, size_t size)
{
	const struct unit *unit = units_of(type);

	while (unit[1].name && (value == 0 || value % unit->factor != 0))
		unit++;
	snprintf(buf, size, "%llu%s",
		(unsigned long long)(value / unit->factor), unit->name);
}

/* ---- texts ---- */

static int set_text(const struct setting *row, char **to, const char *text)
{
	char *copy;

	if (row->fault && row->fault(text))
		return -EINVAL;
	copy = strdup(text);
	if (!copy)
		return -ENOMEM;
	free(*to);
	*to = copy;
	return 0;
}

static void clear_list(struct setting_list *list)
{
	while (list->count)
		free(list->items[--list->count]);
	free(list->items);
	list->items = NULL;
}

static int append_text(
	const struct setting *row, struct setting_list *list, const char *text)
{
	char **items;
	char *copy = NULL;
	int err = set_text(row, &copy, text);

	if (err < 0)
		return err;
	items = realloc(list->items, (list->count + 1) * sizeof(*items));
	if (!items) {
		free(copy);
		return -ENOMEM;
	}
	list->items = items;
	items[list->count++] = copy;
	return 0;
}

static int replace_list(
	const struct setting *row, struct setting_list *list, const char *text)
{
	struct setting_list fresh = {.count = 0};
	int err = append_text(row, &fresh, text);

	if (err < 0)
		return err;
	clear_list(list);
	*list = fresh;
	return 0;
}

/* ---- any value ---- */

static int set_word(const char *const *words, const char *text, unsigned *to)
{
	int i = word_index(words, text);

	if (i < 0)
		return -EINVAL;
	*to = i;
	return 0;
}

static int set_bool(bool *to, const char *text)
{
	unsigned i;
	int err = set_word(bools, text, &i);

	if (err == 0)
		*to = i % 2;
	return err;
}

int setting_set(const struct setting *row, void *section, const char *text)
{
	void *to = member(row, section);

	switch (row->type) {
	case SETTING_BOOL:
		return set_bool(to, text);
	case SETTING_NUMBER:
	case SETTING_DURATION:
	case SETTING_SIZE:
		return set_number(row, to, text);
	case SETTING_CHOICE:
		return set_word(row->words, text, to);
	case SETTING_TEXT:
		return set_text(row, to, text);
	case SETTING_LIST:
		return replace_list(row, to, text);
	}
	return -EINVAL;
}

int setting_append(const struct setting *row, void *section, const char *text)
{
	assert(row->type == SETTING_LIST);
	return append_text(row, member(row, section), text);
}

/* ---- for people ---- */

static bool is_word(const char *text)
{
	return text[strspn(text,
		       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
		       "abcdefghijklmnopqrstuvwxyz")] == '\0';
}

/* A number with no unit, or one that is none of @row's. */
static bool lacks_unit(const struct setting *row, const char *text)
{
	uint64_t value = 0;
	const char *name = parse_digits(text, &value);

	if (!name || !is_word(name))
		return false;
	for (const struct unit *u = units_of(row->type); u->name; u++) {
		if (strcmp(u->name, name) == 0)
			return false;
	}
	return true;
}

const char *setting_fault(const struct setting *row, const char *text)
{
	const char *fault = row->fault ? row->fault(text) : NULL;

	if (row->type == SETTING_DURATION && lacks_unit(row, text))
		fault = "has none of the units h, m, s, ms";
	else if (row->type == SETTING_SIZE && lacks_unit(row, text))
		fault = "has none of the units TiB, GiB, MiB, KiB, B";
	return fault && *fault ? fault : NULL;
}

static void expect_number(
	const struct setting *row, const char *what, char *buf, size_t size)
{
	char min[32], max[32];

	format_number(row->type, row->min, min, sizeof(min));
	format_number(row->type, row->max, max, sizeof(max));
	snprintf(buf, size, "%s from %s to %s", what, min, max);
}

static void expect_word(const char *const *words, char *buf, size_t size)
{
	size_t len = 0;

	for (int i = 0; words[i] && len < size; i++)
		len += snprintf(buf + len, size - len, "%s%s",
			i == 0                 ? ""
				: words[i + 1] ? ", "
					       : " or ",
			words[i]);
}

void setting_expected(const struct setting *row, char *buf, size_t size)
{
	switch (row->type) {
	case SETTING_BOOL:
		snprintf(buf, size, "true or false");
		break;
	case SETTING_NUMBER:
		expect_number(row, "a number", buf, size);
		break;
	case SETTING_DURATION:
		expect_number(row, "a duration", buf, size);
		break;
	case SETTING_SIZE:
		expect_number(row, "a size", buf, size);
		break;
	case SETTING_CHOICE:
		expect_word(row->words, buf, size);
		break;
	case SETTING_TEXT:
	case SETTING_LIST:
		snprintf(buf, size, "%s", row->expected);
		break;
	}
}

void setting_format(
	const struct setting *row, const void *section, char *buf, size_t size)
{
	const void *from = (const char *)section + row->at;
	const struct setting_list *list = from;

	switch (row->type) {
	case SETTING_BOOL:
		snprintf(buf, size, "%s", bools[*(const bool *)from]);
		break;
	case SETTING_NUMBER:
	case SETTING_DURATION:
	case SETTING_SIZE:
		format_number(row->type, *(const uint64_t *)from, buf, size);
		break;
	case SETTING_CHOICE:
		snprintf(buf, size, "%s", row->words[*(const unsigned *)from]);
		break;
	case SETTING_TEXT:
		snprintf(buf, size, "%s", *(char *const *)from);
		break;
	case SETTING_LIST:
		snprintf(buf, size, "%s", list->count ? list->items[0] : "");
		break;
	}
}

/* ---- whole sections ---- */

static int init_row(const struct setting *row, void *section)
{
	if (row->value)
		return setting_set(row, section, row->value);
	if (row->type != SETTING_TEXT)
		return 0;
	*(char **)member(row, section) = strdup("");
	return *(char **)member(row, section) ? 0 : -ENOMEM;
}

int settings_init(const struct settings *s, void *section)
{
	int err = 0;

	memset(section, 0, s->size);
	for (size_t i = 0; i < s->nrows && err == 0; i++)
		err = init_row(&s->rows[i], section);
	assert(err != -EINVAL); /* a table with a default that is none */
	for (size_t i = 0; i < s->nparts && err == 0; i++) {
		const struct settings_part *part = &s->parts[i];

		if (!part->list)
			err = settings_init(
				part->settings, (char *)section + part->at);
	}
	return err;
}

static void free_row(const struct setting *row, void *section)
{
	if (row->type == SETTING_TEXT)
		free(*(char **)member(row, section));
	else if (row->type == SETTING_LIST)
		clear_list(member(row, section));
}

static void free_items(const struct settings *s, struct settings_items *items)
{
	for (size_t i = 0; i < items->count; i++)
		settings_free(s, (char *)items->items + i * s->size);
	free(items->items);
	free(items->marks);
}

void settings_free(const struct settings *s, void *section)
{
	for (size_t i = 0; i < s->nrows; i++)
		free_row(&s->rows[i], section);
	for (size_t i = 0; i < s->nparts; i++) {
		const struct settings_part *part = &s->parts[i];
		void *at = (char *)section + part->at;

		if (part->list)
			free_items(part->settings, at);
		else
			settings_free(part->settings, at);
	}
	memset(section, 0, s->size);
}

void *settings_add_item(const struct settings *s, struct settings_items *items,
	struct settings_mark mark)
{
	size_t n = items->count + 1;
	void *all = realloc(items->items, n * s->size);
	struct settings_mark *marks;
	void *item;

	if (!all)
		return NULL;
	items->items = all;
	marks = realloc(items->marks, n * sizeof(*marks));
	if (!marks)
		return NULL;
	items->marks = marks;
	marks[n - 1] = mark;
	item = (char *)all + (n - 1) * s->size;
	items->count = n;
	return settings_init(s, item) == 0 ? item : NULL;
}
