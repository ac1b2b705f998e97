/* SPDX-License-Identifier: MIT */
#include "client/dirattr.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "proto/nfs4.h"

struct field {
	unsigned char bit;
	unsigned char size; /* 4, 8 or 16 bytes */
	unsigned short offset;
};

#define FIELD(number, member)                               \
	{                                                   \
		number, sizeof(((struct attr *)0)->member), \
			offsetof(struct attr, member)       \
	}

static const struct field fields[] = {
	FIELD(FATTR4_TYPE, type),
	FIELD(FATTR4_CHANGE, change),
	FIELD(FATTR4_SIZE, size),
	FIELD(FATTR4_FSID, fsid),
	FIELD(FATTR4_FILEID, inode),
	FIELD(FATTR4_MODE, mode),
	FIELD(FATTR4_NUMLINKS, nlink),
	FIELD(FATTR4_OWNER, uid),
	FIELD(FATTR4_OWNER_GROUP, gid),
	FIELD(FATTR4_SPACE_USED, space_used),
	FIELD(FATTR4_TIME_ACCESS, atime_ns),
	FIELD(FATTR4_TIME_CREATE, btime_ns),
	FIELD(FATTR4_TIME_METADATA, ctime_ns),
	FIELD(FATTR4_TIME_MODIFY, mtime_ns),
	FIELD(FATTR4_MOUNTED_ON_FILEID, mounted_on_inode),
	/* its two halves are neighbours */
	{FATTR4_RAWDEV, 8, offsetof(struct attr, rdev_major)},
};

_Static_assert(offsetof(struct attr, rdev_minor) ==
		offsetof(struct attr, rdev_major) + 4,
	"one field for both halves of a device number");

#define NFIELDS (sizeof(fields) / sizeof(fields[0]))

static const void *at(const struct attr *attr, const struct field *f)
{
	return (const char *)attr + f->offset;
}

static const struct field *find(unsigned bit)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		if (fields[i].bit == bit)
			return &fields[i];
	}
	return NULL;
}

bitmap4 dirattr_known(void)
{
	bitmap4 known = {.beyond = false};

	for (size_t i = 0; i < NFIELDS; i++)
		bitmap4_set(&known, fields[i].bit);
	return known;
}

void dirattr_copy(struct attr *to, const struct attr *from, const bitmap4 *mask)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		const struct field *f = &fields[i];

		if (bitmap4_has(mask, f->bit))
			memcpy((char *)to + f->offset, at(from, f), f->size);
	}
}

size_t dirattr_packed_size(const bitmap4 *mask)
{
	size_t size = 0;

	for (size_t i = 0; i < NFIELDS; i++)
		size += bitmap4_has(mask, fields[i].bit) ? fields[i].size : 0;
	return size;
}

void dirattr_pack(uint8_t *to, const struct attr *from, const bitmap4 *mask,
	const bitmap4 *told)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		const struct field *f = &fields[i];

		if (!bitmap4_has(mask, f->bit))
			continue;
		if (bitmap4_has(told, f->bit))
			memcpy(to, at(from, f), f->size);
		to += f->size;
	}
}

void dirattr_unpack(struct attr *to, const uint8_t *from, const bitmap4 *mask)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		const struct field *f = &fields[i];

		if (!bitmap4_has(mask, f->bit))
			continue;
		memcpy((char *)to + f->offset, from, f->size);
		from += f->size;
	}
}

bool dirattr_same(const struct attr *a, const struct attr *b, unsigned bit)
{
	const struct field *f = find(bit);

	return !f || memcmp(at(a, f), at(b, f), f->size) == 0;
}

unsigned dirattr_first_difference(
	const struct attr *a, const struct attr *b, const bitmap4 *mask)
{
	for (size_t i = 0; i < NFIELDS; i++) {
		if (bitmap4_has(mask, fields[i].bit) &&
			!dirattr_same(a, b, fields[i].bit))
			return fields[i].bit;
	}
	return BITMAP4_BITS;
}

bitmap4 dirattr_differences(
	const struct attr *a, const struct attr *b, const bitmap4 *mask)
{
	bitmap4 differ = {.beyond = false};

	for (size_t i = 0; i < NFIELDS; i++) {
		if (bitmap4_has(mask, fields[i].bit) &&
			!dirattr_same(a, b, fields[i].bit))
			bitmap4_set(&differ, fields[i].bit);
	}
	return differ;
}

void dirattr_show(
	const struct attr *attr, unsigned bit, char *text, size_t size)
{
	const struct field *f = find(bit);
	uint32_t word;
	uint64_t value[2];

	if (!f) {
		snprintf(text, size, "?");
	} else if (f->size == sizeof(word)) {
		memcpy(&word, at(attr, f), sizeof(word));
		snprintf(text, size, "%" PRIu32, word);
	} else {
		memcpy(value, at(attr, f), f->size);
		if (f->size == sizeof(value))
			snprintf(text, size, "%" PRIu64 ":%" PRIu64, value[0],
				value[1]);
		else
			snprintf(text, size, "%" PRIu64, value[0]);
	}
}
