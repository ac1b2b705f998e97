/* SPDX-License-Identifier: MIT */
#include "wire/xdr_bitmap.h"

bool nfs4_get_bitmap4(struct xdr *x, bitmap4 *v)
{
	uint32_t count, word;

	*v = (bitmap4){.beyond = false};
	xdr_get_u32(x, &count);
	if (count > XDR_BITMAP_WORDS_MAX)
		return xdr_fail(x);
	for (uint32_t i = 0; i < count && xdr_get_u32(x, &word); i++) {
		if (i < BITMAP4_WORDS)
			v->word[i] = word;
		else if (word)
			v->beyond = true;
	}
	return !x->bad;
}

bool nfs4_put_bitmap4(struct xdr *x, const bitmap4 *v)
{
	uint32_t count = bitmap4_words(v);

	xdr_put_u32(x, count);
	for (uint32_t i = 0; i < count; i++)
		xdr_put_u32(x, v->word[i]);
	return !x->bad;
}
