/* SPDX-License-Identifier: MIT */
#include "daemon/settings_print.h"

#include <string.h>

#define COLUMNS   79
#define TEXT_SIZE 512

static const char *value_of(const struct setting *row)
{
	return row->value ? row->value : row->example;
}

/* ---- YAML ---- */

/* @text in lines that begin with @indent spaces and "# ". */
static void print_comment(FILE *to, int indent, const char *text)
{
	size_t room = COLUMNS - indent - 2;

	while (*text) {
		size_t len = strlen(text), cut = len;

		if (len > room) {
			for (cut = room; cut > 0 && text[cut] != ' '; cut--)
				;
			if (cut == 0)
				cut = strcspn(text, " ");
		}
		fprintf(to, "%*s# %.*s\n", indent, "", (int)cut, text);
		text += cut;
		text += strspn(text, " ");
	}
}

static void print_row(FILE *to, int indent, const struct setting *row)
{
	char expected[TEXT_SIZE], text[2 * TEXT_SIZE];

	setting_expected(row, expected, sizeof(expected));
	snprintf(text, sizeof(text), "%s (%s%s)", row->what, expected,
		row->value ? "" : "; must be given");
	print_comment(to, indent, text);
	fprintf(to, "%*s%s: %s\n", indent, "", row->key, value_of(row));
}

static void print_mapping(FILE *to, int indent, const struct settings *s);

/* One entry, to show how it is done; its dash stands alone for the comment. */
static void print_part(FILE *to, int indent, const struct settings_part *part)
{
	const struct settings *s = part->settings;

	print_comment(to, indent, s->what);
	fprintf(to, "%*s%s:\n", indent, "", s->name);
	indent += 2;
	if (part->list) {
		fprintf(to, "%*s-\n", indent, "");
		indent += 2;
	}
	print_mapping(to, indent, s);
}

static void print_mapping(FILE *to, int indent, const struct settings *s)
{
	for (size_t i = 0; i < s->nrows; i++)
		print_row(to, indent, &s->rows[i]);
	for (size_t i = 0; i < s->nparts; i++) {
		if (s->nrows + i > 0)
			fputc('\n', to);
		print_part(to, indent, &s->parts[i]);
	}
}

void settings_print_yaml(const struct settings *s, FILE *to)
{
	print_mapping(to, 0, s);
}

/* ---- Markdown ---- */

static void print_table(FILE *to, const char *path, const struct settings *s)
{
	fprintf(to, "`%s`: %s\n\n", path, s->what);
	fprintf(to,
		"| setting | what may stand there | default | meaning |\n"
		"|---|---|---|---|\n");
	for (size_t i = 0; i < s->nrows; i++) {
		const struct setting *row = &s->rows[i];
		char expected[TEXT_SIZE];

		setting_expected(row, expected, sizeof(expected));
		fprintf(to, "| `%s` | %s | ", row->key, expected);
		if (row->value)
			fprintf(to, "`%s`", row->value);
		else
			fputs("must be given", to);
		fprintf(to, " | %s |\n", row->what);
	}
	fputc('\n', to);
}

static void print_tables(FILE *to, const char *path, const struct settings *s)
{
	if (s->nrows)
		print_table(to, path, s);
	for (size_t i = 0; i < s->nparts; i++) {
		char below[TEXT_SIZE];

		snprintf(below, sizeof(below), "%s%s%s%s", path,
			*path ? "." : "", s->parts[i].settings->name,
			s->parts[i].list ? "[]" : "");
		print_tables(to, below, s->parts[i].settings);
	}
}

void settings_print_markdown(const struct settings *s, FILE *to)
{
	print_tables(to, "", s);
}
