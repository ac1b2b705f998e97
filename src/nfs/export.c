/* SPDX-License-Identifier: MIT */
#include "nfs/export.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "nfs/pseudo.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

/* Ids of exports: two that no path is hashed to. */
#define ID_PSEUDO   0
#define ID_ROOT     1
#define ID_HASH_MIN 2

struct export export_default(void)
{
	return (struct export){
		.path = "/",
		.root_squash = true,
		.anon_uid = EXPORT_ANON_ID,
		.anon_gid = EXPORT_ANON_ID,
	};
}

/* ---- pseudo paths ---- */

static bool is_root_path(const char *path)
{
	return path[0] == '/' && path[1] == '\0';
}

static const char *component_fault(const char *name, size_t len)
{
	if (len == 0)
		return "has an empty component";
	if (len > NAME_LEN_MAX)
		return "has a component of more than 255 bytes";
	if (name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.')))
		return "has a component \".\" or \"..\"";
	return NULL;
}

const char *export_path_fault(const char *path)
{
	const char *fault = NULL;

	if (path[0] != '/')
		return "does not begin with \"/\"";
	if (strlen(path) >= EXPORT_PATH_MAX)
		return "is longer than 1,023 bytes";
	if (is_root_path(path))
		return NULL;
	while (*path && !fault) {
		size_t len = strcspn(++path, "/");

		fault = component_fault(path, len);
		path += len;
	}
	return fault;
}

static bool is_below(const char *path, const char *above)
{
	size_t len = is_root_path(above) ? 0 : strlen(above);

	return strncmp(path, above, len) == 0 &&
		(path[len] == '/' || path[len] == '\0');
}

bool export_paths_clash(const char *a, const char *b)
{
	return is_below(a, b) || is_below(b, a);
}

/*
 * A function of the path alone, so that handles outlive a restart whatever
 * became of the other exports.
 */
static uint32_t id_of_path(const char *path)
{
	if (is_root_path(path))
		return ID_ROOT;
	return ID_HASH_MIN +
		XXH3_64bits(path, strlen(path)) % (UINT32_MAX - ID_HASH_MIN);
}

static int check_pair(const struct export *a, const struct export *b)
{
	if (export_paths_clash(a->path, b->path)) {
		log_error("exports must not lie below one another: pseudo=%s "
			  "pseudo=%s",
			a->path, b->path);
		return -EINVAL;
	}
	if (a->id == b->id) {
		log_error("exports have the same id by chance, change one "
			  "pseudo path: pseudo=%s pseudo=%s",
			a->path, b->path);
		return -EINVAL;
	}
	return 0;
}

/* ---- start and end ---- */

static int add_export(struct exports *x, const struct export *config)
{
	struct export *e = &x->list[x->count];
	const char *fault = export_path_fault(config->path);
	int err = 0;

	if (fault) {
		log_error("pseudo path %s %s", config->path, fault);
		return -EINVAL;
	}
	*e = *config;
	e->id = id_of_path(config->path);
	for (size_t i = 0; i < x->count && err == 0; i++)
		err = check_pair(&x->list[i], e);
	if (err == 0)
		err = store_root(e->store, &e->root);
	if (err < 0)
		return err;
	e->path = strdup(config->path);
	if (!e->path)
		return -ENOMEM;
	x->count++;
	return 0;
}

static int add_pseudo(struct exports *x, struct clock *clock)
{
	const char **paths = calloc(x->count, sizeof(*paths));
	struct export *pseudo = &x->pseudo;

	if (!paths)
		return -ENOMEM;
	for (size_t i = 0; i < x->count; i++)
		paths[i] = x->list[i].path;
	pseudo->store = pseudo_new(paths, x->count, clock);
	free(paths);
	if (!pseudo->store)
		return -ENOMEM;
	for (size_t i = 0; i < x->count; i++)
		pseudo_place(pseudo->store, i, &x->list[i].above,
			&x->list[i].mounted_on);
	return store_root(pseudo->store, &pseudo->root);
}

int exports_init(struct exports *x, const struct export *config, size_t count,
	struct clock *clock)
{
	int err = 0;

	*x = (struct exports){.pseudo = export_default()};
	x->pseudo.id = ID_PSEUDO;
	x->pseudo.is_pseudo = true;
	x->pseudo.read_only = true;
	if (count == 0 || count > EXPORTS_MAX)
		return -EINVAL;
	x->list = calloc(count, sizeof(*x->list));
	if (!x->list)
		return -ENOMEM;
	for (size_t i = 0; i < count && err == 0; i++)
		err = add_export(x, &config[i]);
	if (err < 0 || (count == 1 && is_root_path(x->list[0].path)))
		return err;
	return add_pseudo(x, clock);
}

void exports_fini(struct exports *x)
{
	store_free(x->pseudo.store);
	for (size_t i = 0; i < x->count; i++)
		free((char *)x->list[i].path);
	free(x->list);
	*x = (struct exports){.list = NULL};
}

/* ---- finding the way ---- */

struct export *exports_root(struct exports *x)
{
	return x->pseudo.store ? &x->pseudo : &x->list[0];
}

struct export *exports_find(struct exports *x, uint32_t id)
{
	if (id == ID_PSEUDO)
		return x->pseudo.store ? &x->pseudo : NULL;
	for (size_t i = 0; i < x->count; i++) {
		if (x->list[i].id == id)
			return &x->list[i];
	}
	return NULL;
}

void exports_cross(struct exports *x, struct export **export, struct fileid *id)
{
	int i;

	if (!(*export)->is_pseudo)
		return;
	i = pseudo_export_at((*export)->store, id);
	if (i < 0)
		return;
	*export = &x->list[i];
	*id = x->list[i].root;
}

bool exports_climb(struct exports *x, struct export **export, struct fileid *id)
{
	const struct export *from = *export;

	if (from->above.len == 0 || !fileid_equal(id, &from->root))
		return false;
	*export = &x->pseudo;
	*id = from->above;
	return true;
}
