/* SPDX-License-Identifier: MIT */
#include "daemon/config_file.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

#include "base/cleanup.h"

#define MESSAGE_MAX 1024
#define QUOTE_MAX   64

/* Rows and parts of one mapping: more would not fit `seen`. */
#define KEYS_MAX 64

struct reader {
	yaml_document_t *document;
	struct config_errors *errors;
	char path[256]; /* of the value being read: "exports[1].options" */
	int err;        /* -ENOMEM: all is over */
};

/* ---- mistakes ---- */

static void tell(struct config_errors *errors, const char *line)
{
	if (errors->count++ < CONFIG_ERRORS_MAX)
		errors->tell(errors->ctx, line);
}

void config_error(struct config_errors *errors, struct settings_mark mark,
	const char *format, ...)
{
	char line[MESSAGE_MAX];
	int len;
	va_list args;

	len = snprintf(line, sizeof(line), "%s:%u:%u: ", errors->file,
		mark.line, mark.column);
	if (len < 0 || len >= (int)sizeof(line))
		len = 0;
	va_start(args, format);
	vsnprintf(line + len, sizeof(line) - len, format, args);
	va_end(args);
	tell(errors, line);
}

static struct settings_mark mark_of(const yaml_mark_t *mark)
{
	return (struct settings_mark){
		.line = mark->line + 1, .column = mark->column + 1};
}

static struct settings_mark mark_of_node(const yaml_node_t *node)
{
	return mark_of(&node->start_mark);
}

/* A value as it stands there, made fit for a message. */
struct quoted {
	char text[QUOTE_MAX + 4];
};

static struct quoted quote(const yaml_node_t *node)
{
	const char *from = (const char *)node->data.scalar.value;
	size_t len = node->data.scalar.length;
	struct quoted q;
	size_t i;

	for (i = 0; i < len && i < QUOTE_MAX; i++)
		q.text[i] = (unsigned char)from[i] < ' ' ? '?' : from[i];
	strcpy(q.text + i, len > QUOTE_MAX ? "..." : "");
	return q;
}

static void append_word(char *buf, size_t size, const char *word)
{
	size_t len = strlen(buf);

	snprintf(buf + len, size - len, "%s%s", len ? ", " : "", word);
}

static void unknown_key(
	struct reader *r, const struct settings *s, const yaml_node_t *key)
{
	char known[512] = "";

	for (size_t i = 0; i < s->nrows; i++)
		append_word(known, sizeof(known), s->rows[i].key);
	for (size_t i = 0; i < s->nparts; i++)
		append_word(known, sizeof(known), s->parts[i].settings->name);
	config_error(r->errors, mark_of_node(key),
		"%s%sthere is no setting \"%s\": expected one of %s", r->path,
		*r->path ? ": " : "", quote(key).text, known);
}

/* What stands at @node is not a value for @row. */
static void bad_value(
	struct reader *r, const struct setting *row, const yaml_node_t *node)
{
	const char *fault = NULL;
	char expected[256];

	setting_expected(row, expected, sizeof(expected));
	if (node->type == YAML_SCALAR_NODE)
		fault = setting_fault(
			row, (const char *)node->data.scalar.value);
	if (node->type != YAML_SCALAR_NODE)
		config_error(r->errors, mark_of_node(node), "%s: expected %s",
			r->path, expected);
	else if (fault)
		config_error(r->errors, mark_of_node(node),
			"%s: \"%s\" %s: expected %s", r->path, quote(node).text,
			fault, expected);
	else
		config_error(r->errors, mark_of_node(node),
			"%s: \"%s\" is not %s", r->path, quote(node).text,
			expected);
}

/* ---- one value ---- */

/* The text of a scalar, or NULL for what cannot be one. */
static const char *text_of(const yaml_node_t *node)
{
	const char *text = (const char *)node->data.scalar.value;

	if (node->type != YAML_SCALAR_NODE ||
		strlen(text) != node->data.scalar.length)
		return NULL;
	return text;
}

typedef int (*setter)(
	const struct setting *row, void *section, const char *text);

static void read_scalar(struct reader *r, const struct setting *row,
	void *section, const yaml_node_t *node, setter set)
{
	const char *text = text_of(node);
	int err = text ? set(row, section, text) : -EINVAL;

	if (err == -ENOMEM)
		r->err = err;
	else if (err < 0 && node->type == YAML_SCALAR_NODE && !text)
		config_error(r->errors, mark_of_node(node),
			"%s: a value cannot have a NUL in it", r->path);
	else if (err < 0)
		bad_value(r, row, node);
}

static yaml_node_t *node_at(struct reader *r, int index)
{
	return yaml_document_get_node(r->document, index);
}

static void read_list(struct reader *r, const struct setting *row,
	void *section, const yaml_node_t *node)
{
	const yaml_node_item_t *at = node->data.sequence.items.start;
	setter set = setting_set;

	if (at == node->data.sequence.items.top)
		bad_value(r, row, node);
	for (; at < node->data.sequence.items.top && !r->err; at++) {
		read_scalar(r, row, section, node_at(r, *at), set);
		set = setting_append;
	}
}

static void read_value(struct reader *r, const struct setting *row,
	void *section, const yaml_node_t *node)
{
	if (row->type == SETTING_LIST && node->type == YAML_SEQUENCE_NODE)
		read_list(r, row, section, node);
	else
		read_scalar(r, row, section, node, setting_set);
	if (row->type == SETTING_LIST) {
		struct setting_list *list = (void *)((char *)section + row->at);

		list->mark = mark_of_node(node);
	}
}

/* ---- mappings ---- */

static void read_mapping(struct reader *r, const struct settings *s,
	void *section, const yaml_node_t *node);

/* Go down to @name; the result is for path_up(). */
static size_t path_down(struct reader *r, const char *name)
{
	size_t len = strlen(r->path);

	snprintf(r->path + len, sizeof(r->path) - len, "%s%s", len ? "." : "",
		name);
	return len;
}

static void path_up(struct reader *r, size_t len)
{
	r->path[len] = '\0';
}

static void read_item(struct reader *r, const struct settings *s,
	struct settings_items *items, const yaml_node_t *node)
{
	size_t len = strlen(r->path);
	void *item = settings_add_item(s, items, mark_of_node(node));

	if (!item) {
		r->err = -ENOMEM;
		return;
	}
	snprintf(r->path + len, sizeof(r->path) - len, "[%zu]",
		items->count - 1);
	read_mapping(r, s, item, node);
	path_up(r, len);
}

static void read_items(struct reader *r, const struct settings *s,
	struct settings_items *items, const yaml_node_t *node)
{
	const yaml_node_item_t *at;

	if (node->type != YAML_SEQUENCE_NODE) {
		config_error(r->errors, mark_of_node(node),
			"%s: expected a list, each entry behind a \"-\"",
			r->path);
		return;
	}
	for (at = node->data.sequence.items.start;
		at < node->data.sequence.items.top && !r->err; at++)
		read_item(r, s, items, node_at(r, *at));
}

static void read_part(struct reader *r, const struct settings_part *part,
	void *section, const yaml_node_t *node)
{
	void *at = (char *)section + part->at;

	if (part->list)
		read_items(r, part->settings, at, node);
	else
		read_mapping(r, part->settings, at, node);
}

/* Which key of @s: rows come first, then parts; -1: none. */
static int key_index(const struct settings *s, const char *key)
{
	for (size_t i = 0; i < s->nrows; i++) {
		if (strcmp(s->rows[i].key, key) == 0)
			return i;
	}
	for (size_t i = 0; i < s->nparts; i++) {
		if (strcmp(s->parts[i].settings->name, key) == 0)
			return s->nrows + i;
	}
	return -1;
}

static void read_pair(struct reader *r, const struct settings *s, void *section,
	const yaml_node_pair_t *pair, uint64_t *seen)
{
	const yaml_node_t *key = node_at(r, pair->key);
	const yaml_node_t *value = node_at(r, pair->value);
	const char *name = text_of(key);
	int index = name ? key_index(s, name) : -1;
	size_t len;

	if (!name) {
		config_error(r->errors, mark_of_node(key),
			"expected the name of a setting");
		return;
	}
	if (index < 0) {
		unknown_key(r, s, key);
		return;
	}
	len = path_down(r, name);
	if (*seen & UINT64_C(1) << index)
		config_error(r->errors, mark_of_node(key),
			"%s: is set already, further up", r->path);
	else if ((size_t)index < s->nrows)
		read_value(r, &s->rows[index], section, value);
	else
		read_part(r, &s->parts[index - s->nrows], section, value);
	*seen |= UINT64_C(1) << index;
	path_up(r, len);
}

static void tell_missing(struct reader *r, const struct settings *s,
	uint64_t seen, const yaml_node_t *node)
{
	for (size_t i = 0; i < s->nrows; i++) {
		const struct setting *row = &s->rows[i];
		char expected[256];

		if (row->value || (seen & UINT64_C(1) << i))
			continue;
		setting_expected(row, expected, sizeof(expected));
		config_error(r->errors, mark_of_node(node),
			"%s: %s is missing: expected %s", r->path, row->key,
			expected);
	}
}

static bool is_empty(const yaml_node_t *node)
{
	return node->type == YAML_SCALAR_NODE &&
		node->data.scalar.length == 0 &&
		node->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
}

/* A section with nothing in it (all commented out) is one all the same. */
static void read_mapping(struct reader *r, const struct settings *s,
	void *section, const yaml_node_t *node)
{
	const yaml_node_pair_t *pair;
	uint64_t seen = 0;

	assert(s->nrows + s->nparts <= KEYS_MAX);
	if (node->type == YAML_MAPPING_NODE) {
		for (pair = node->data.mapping.pairs.start;
			pair < node->data.mapping.pairs.top && !r->err; pair++)
			read_pair(r, s, section, pair, &seen);
	} else if (!is_empty(node)) {
		config_error(r->errors, mark_of_node(node),
			"%s%sexpected settings, each as \"name: value\"",
			r->path, *r->path ? ": " : "");
		return;
	}
	tell_missing(r, s, seen, node);
}

/* ---- documents ---- */

/* Bytes that are no text have an offset only. */
static struct settings_mark mark_of_offset(const char *text, size_t offset)
{
	struct settings_mark mark = {.line = 1, .column = 1};

	for (size_t i = 0; i < offset; i++) {
		mark.column++;
		if (text[i] == '\n')
			mark = (struct settings_mark){mark.line + 1, 1};
	}
	return mark;
}

/* The character at @mark, whose columns are characters too. */
static char char_at(const char *text, size_t len, const yaml_mark_t *mark)
{
	const char *end = text + len;
	size_t line = 0, column = 0;

	for (; text < end && line < mark->line; text++)
		line += *text == '\n';
	for (; text < end && column < mark->column; column++) {
		for (text++; text < end && (*text & 0xc0) == 0x80; text++)
			;
	}
	return text < end ? *text : '\0';
}

static int tell_syntax(const yaml_parser_t *parser, const char *text,
	size_t len, struct config_errors *errors)
{
	struct settings_mark mark = mark_of(&parser->problem_mark);
	size_t offset = parser->problem_offset;

	if (parser->error == YAML_MEMORY_ERROR)
		return -ENOMEM;
	if (parser->error == YAML_READER_ERROR)
		mark = mark_of_offset(text, offset < len ? offset : len);
	if (parser->error == YAML_SCANNER_ERROR &&
		char_at(text, len, &parser->problem_mark) == '\t')
		config_error(errors, mark, "a tab: expected spaces");
	else
		config_error(errors, mark, "%s%s%s",
			parser->context ? parser->context : "",
			parser->context ? ": " : "",
			parser->problem ? parser->problem : "is not YAML");
	return 0;
}

static int read_document(yaml_document_t *document, const struct settings *s,
	void *section, struct config_errors *errors)
{
	struct reader r = {.document = document, .errors = errors};
	const yaml_node_t *root = yaml_document_get_root_node(document);

	if (root)
		read_mapping(&r, s, section, root);
	return r.err;
}

/* There is one document, or none. */
static int check_end(yaml_parser_t *parser, const char *text, size_t len,
	struct config_errors *errors)
{
	yaml_document_t document;
	const yaml_node_t *root;

	if (!yaml_parser_load(parser, &document))
		return tell_syntax(parser, text, len, errors);
	root = yaml_document_get_root_node(&document);
	if (root)
		config_error(errors, mark_of_node(root),
			"a second document: expected one in a file");
	yaml_document_delete(&document);
	return 0;
}

static int parse_with(yaml_parser_t *parser, const char *text, size_t len,
	const struct settings *s, void *section, struct config_errors *errors)
{
	yaml_document_t document;
	bool more;
	int err;

	yaml_parser_set_input_string(parser, (const unsigned char *)text, len);
	if (!yaml_parser_load(parser, &document))
		return tell_syntax(parser, text, len, errors);
	more = yaml_document_get_root_node(&document);
	err = read_document(&document, s, section, errors);
	yaml_document_delete(&document);
	if (err == 0 && more)
		err = check_end(parser, text, len, errors);
	return err;
}

int config_file_parse(const char *text, size_t len, const struct settings *s,
	void *section, struct config_errors *errors)
{
	yaml_parser_t parser;
	int err;

	if (!yaml_parser_initialize(&parser))
		return -ENOMEM;
	err = parse_with(&parser, text, len, s, section, errors);
	yaml_parser_delete(&parser);
	return err;
}

/* ---- files ---- */

static int tell_file(struct config_errors *errors, const char *what)
{
	char line[MESSAGE_MAX];

	snprintf(line, sizeof(line), "%s: %s", errors->file, what);
	tell(errors, line);
	return 0;
}

int config_file_read(
	const struct settings *s, void *section, struct config_errors *errors)
{
	FILE *file = fopen(errors->file, "re");
	char *text;
	size_t len;
	int err;

	if (!file)
		return tell_file(errors, strerror(errno));
	text = malloc(CONFIG_FILE_MAX + 1);
	len = text ? fread(text, 1, CONFIG_FILE_MAX + 1, file) : 0;
	if (!text)
		err = -ENOMEM;
	else if (ferror(file))
		err = tell_file(errors, strerror(errno));
	else if (len > CONFIG_FILE_MAX)
		err = tell_file(errors, "is larger than 1 MiB");
	else
		err = config_file_parse(text, len, s, section, errors);
	free(text);
	fclose(file);
	return err;
}
