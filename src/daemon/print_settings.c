/* SPDX-License-Identifier: MIT */
/* The tables of settings for docs/NFS.md (tools/gentable.py). */
#include <stdio.h>

#include "daemon/config.h"
#include "daemon/settings_print.h"

static void print_words(void)
{
	puts("Options of an export, with names of exports(5):\n\n"
	     "| option | meaning |\n|---|---|");
	for (size_t i = 0; i < export_words_count; i++) {
		const struct export_word *w = &export_words[i];

		printf("| `%s%s` | %s |\n", w->word,
			w->how == EXPORT_ID ? "=NUMBER" : "", w->what);
	}
}

int main(void)
{
	settings_print_markdown(&config_table, stdout);
	print_words();
	return 0;
}
