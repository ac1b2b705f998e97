/* SPDX-License-Identifier: MIT */
/*
 * Intrusive doubly-linked lists. A list head and a link are the same type;
 * an initialised link that is on no list points to itself, so list_del() of
 * it is harmless. No locking: the owner of the list says which lock guards it.
 */
#ifndef BASE_LIST_H
#define BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list {
	struct list *next;
	struct list *prev;
};

#define LIST_INIT(name)          \
	{                        \
		&(name), &(name) \
	}

/* The object of type @type whose member @member is at @ptr. */
#define container_of(ptr, type, member) \
	((type *)((char *)(ptr)-offsetof(type, member)))

static inline void list_init(struct list *l)
{
	l->next = l;
	l->prev = l;
}

static inline bool list_empty(const struct list *l)
{
	return l->next == l;
}

/* Put @item between @prev and @prev->next. */
static inline void list_insert_after(struct list *prev, struct list *item)
{
	item->next = prev->next;
	item->prev = prev;
	prev->next->prev = item;
	prev->next = item;
}

static inline void list_add_head(struct list *head, struct list *item)
{
	list_insert_after(head, item);
}

static inline void list_add_tail(struct list *head, struct list *item)
{
	list_insert_after(head->prev, item);
}

/* Take @item off its list and leave it initialised. */
static inline void list_del(struct list *item)
{
	item->prev->next = item->next;
	item->next->prev = item->prev;
	list_init(item);
}

/* Move everything from @from to the tail of @to; @from is left empty. */
static inline void list_splice_tail(struct list *to, struct list *from)
{
	if (list_empty(from))
		return;
	from->next->prev = to->prev;
	to->prev->next = from->next;
	from->prev->next = to;
	to->prev = from->prev;
	list_init(from);
}

#define list_entry(ptr, type, member) container_of(ptr, type, member)

#define list_first_entry(head, type, member) \
	list_entry((head)->next, type, member)

#define list_last_entry(head, type, member) \
	list_entry((head)->prev, type, member)

#define list_for_each_entry(pos, head, member)                       \
	for (pos = list_first_entry(head, __typeof__(*pos), member); \
		&pos->member != (head);                              \
		pos = list_entry(pos->member.next, __typeof__(*pos), member))

/* As above, and @pos may be removed or freed in the body. */
#define list_for_each_entry_safe(pos, tmp, head, member)                  \
	for (pos = list_first_entry(head, __typeof__(*pos), member),      \
	    tmp = list_entry(pos->member.next, __typeof__(*pos), member); \
		&pos->member != (head); pos = tmp,                        \
	    tmp = list_entry(tmp->member.next, __typeof__(*tmp), member))

#endif
