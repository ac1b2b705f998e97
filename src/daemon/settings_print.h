/* SPDX-License-Identifier: MIT */
/* Tables of settings for people: as a file with comments, as a document. */
#ifndef DAEMON_SETTINGS_PRINT_H
#define DAEMON_SETTINGS_PRINT_H

#include <stdio.h>

#include "base/setting.h"

/*
 * A configuration file with every setting at its default, or an example where
 * there is none.
 */
void settings_print_yaml(const struct settings *s, FILE *to);

/* The same as tables of a Markdown document. */
void settings_print_markdown(const struct settings *s, FILE *to);

#endif
