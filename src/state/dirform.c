/* SPDX-License-Identifier: MIT */
#include "state/dirform.h"

#include <stdlib.h>
#include <string.h>

/* Published once and read without a lock: nothing of it changes. */
struct dir_form {
	struct dir_form *next; /* an older one */
	struct dir_form_key key;
	uint32_t count; /* of forms, from here to the oldest */
	uint32_t len;
	uint8_t bytes[];
};

static size_t form_size(uint32_t len)
{
	return sizeof(struct dir_form) + len;
}

bool dir_form_is_wanted(const struct dir_event *e)
{
	const struct dir_form *newest =
		atomic_load_explicit(&e->forms, memory_order_acquire);

	/* The caller's own two: in the queue, and in the batch it took. */
	return ref_read(&e->ref) > 2 &&
		!(newest && newest->count == DIR_FORMS_MAX);
}

static bool are_alike(
	const struct dir_form_key *a, const struct dir_form_key *b)
{
	return bitmap4_equal(&a->attrs, &b->attrs) && a->via == b->via &&
		a->ordered == b->ordered && a->of_dir_attr == b->of_dir_attr;
}

static const struct dir_form *find(
	const struct dir_form *form, const struct dir_form_key *key)
{
	while (form && !are_alike(&form->key, key))
		form = form->next;
	return form;
}

struct xdr_opaque dir_form_find(
	const struct dir_event *e, const struct dir_form_key *key)
{
	const struct dir_form *form = find(
		atomic_load_explicit(&e->forms, memory_order_acquire), key);

	if (!form)
		return xdr_opaque_from(NULL, 0);
	return xdr_opaque_from(form->bytes, form->len);
}

static struct dir_form *form_new(
	const struct dir_form_key *key, struct xdr_opaque bytes)
{
	struct dir_form *form = malloc(form_size(bytes.len));

	if (!form)
		return NULL;
	form->key = *key;
	form->len = bytes.len;
	memcpy(form->bytes, bytes.data, bytes.len);
	return form;
}

/* Before the newest one, unless others made it meanwhile, or too many. */
static bool publish(struct dir_event *e, struct dir_form *form)
{
	struct dir_form *newest = atomic_load(&e->forms);

	do {
		if (newest && newest->count == DIR_FORMS_MAX)
			return false;
		if (find(newest, &form->key))
			return false;
		form->next = newest;
		form->count = newest ? newest->count + 1 : 1;
	} while (!atomic_compare_exchange_weak(&e->forms, &newest, form));
	return true;
}

void dir_form_keep(struct dir_event *e, const struct dir_form_key *key,
	struct xdr_opaque bytes)
{
	struct dir_form *form = form_new(key, bytes);

	if (form && publish(e, form))
		dir_event_count_bytes((int64_t)form_size(bytes.len));
	else
		free(form);
}

size_t dir_forms_free(struct dir_form *forms)
{
	size_t size = 0;

	while (forms) {
		struct dir_form *next = forms->next;

		size += form_size(forms->len);
		free(forms);
		forms = next;
	}
	return size;
}
