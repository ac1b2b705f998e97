/* SPDX-License-Identifier: MIT */
/*
 * Just enough UTF-8 (RFC 3629) to tell what may be shown as it is.
 */
#ifndef CLI_UTF8_H
#define CLI_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * The character at @at of which @left bytes are there (at least one): its
 * length, and its number in @ret; 0 when these bytes are not UTF-8 (overlong
 * forms, surrogates and numbers above U+10FFFF included).
 */
size_t utf8_next(const char *at, size_t left, uint32_t *ret);

/*
 * May it stand on a terminal? Not: controls (C0, DEL, C1), line and paragraph
 * separators, marks that turn the direction of text, and the byte order mark.
 */
bool utf8_is_harmless(uint32_t character);

#endif
