/* SPDX-License-Identifier: MIT */
/*
 * Two files in the state directory: `identity`, written once, and `epoch`,
 * counted up at each start. Both are small texts, replaced by rename and
 * synced, so that a crash leaves the old or the new one.
 */
#include "store/ident.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/rand.h"

#define SECRET_SIZE   32
#define TEXT_MAX      256
#define IDENTITY_FILE "identity"
#define EPOCH_FILE    "epoch"
#define IDENTITY_HEAD "herald identity 1\n"

struct excuse {
	const char *dir;
	char *why;
	size_t size;
};

__attribute__((format(printf, 3, 4))) static int refuse(
	const struct excuse *x, int err, const char *format, ...)
{
	int n = snprintf(x->why, x->size, "state directory %s: ", x->dir);
	va_list args;

	if (n < 0 || (size_t)n >= x->size)
		return err;
	va_start(args, format);
	vsnprintf(x->why + n, x->size - n, format, args);
	va_end(args);
	return err;
}

/* The whole of a small file as a string. -ENOENT, -EFBIG, ... */
static int read_text(int dir, const char *name, char text[TEXT_MAX])
{
	scope_fd int fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	ssize_t n;

	if (fd < 0)
		return -errno;
	n = read(fd, text, TEXT_MAX);
	if (n < 0)
		return -errno;
	if (n == TEXT_MAX)
		return -EFBIG;
	text[n] = 0;
	return 0;
}

static int write_new(int dir, const char *name, const char *text)
{
	scope_fd int fd = openat(dir, name,
		O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	size_t len = strlen(text);

	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		return errno ? -errno : -EIO;
	return fsync(fd) ? -errno : 0;
}

/* Replace a small file: afterwards it is on disk, or as it was before. */
static int write_text(int dir, const char *name, const char *text)
{
	char fresh[32];
	int err;

	snprintf(fresh, sizeof(fresh), "%s.new", name);
	errno = 0;
	err = write_new(dir, fresh, text);
	if (err)
		return err;
	if (renameat(dir, fresh, dir, name) != 0)
		return -errno;
	return fsync(dir) ? -errno : 0;
}

/* Make the directory's entry durable, too. */
static int sync_parent(int dir)
{
	scope_fd int parent =
		openat(dir, "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return parent < 0 || fsync(parent) != 0 ? -errno : 0;
}

static int open_dir(const struct excuse *x, int *ret)
{
	bool made = mkdir(x->dir, 0700) == 0;
	scope_fd int fd = -1;
	struct stat st;

	if (!made && errno != EEXIST)
		return refuse(x, -errno, "cannot make it: %m");
	fd = open(x->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) != 0)
		return refuse(x, -errno, "cannot open it: %m");
	if (made && sync_parent(fd) != 0)
		return refuse(x, -EIO, "its parent cannot be synced: %m");
	if (st.st_uid != geteuid() || (st.st_mode & 022))
		return refuse(x, -EPERM,
			"others may write there; it must belong to uid %u "
			"with mode 0700",
			geteuid());
	*ret = fd;
	fd = -1;
	return 0;
}

static int lock_dir(const struct excuse *x, int fd)
{
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	if (errno == EWOULDBLOCK)
		return refuse(x, -EBUSY, "another daemon runs on it");
	return refuse(x, -errno, "cannot be locked: %m");
}

/* Each key is the secret's hash of what it is for. */
static void derive_keys(struct ident *id, const uint8_t secret[SECRET_SIZE])
{
	static const char handle[] = "herald filehandle mac";
	static const char cookie[] = "herald readdir cookie";

	crypto_generichash(id->handle_key, sizeof(id->handle_key),
		(const uint8_t *)handle, sizeof(handle) - 1, secret,
		SECRET_SIZE);
	crypto_generichash(id->cookie_key, sizeof(id->cookie_key),
		(const uint8_t *)cookie, sizeof(cookie) - 1, secret,
		SECRET_SIZE);
}

struct identity {
	uint8_t id[16];
	uint8_t secret[SECRET_SIZE];
};

static int identity_write(int dir, const struct identity *i)
{
	char text[TEXT_MAX], id[2 * sizeof(i->id) + 1];
	char secret[2 * SECRET_SIZE + 1];

	sodium_bin2hex(id, sizeof(id), i->id, sizeof(i->id));
	sodium_bin2hex(secret, sizeof(secret), i->secret, SECRET_SIZE);
	snprintf(text, sizeof(text), IDENTITY_HEAD "id %s\nsecret %s\n", id,
		secret);
	return write_text(dir, IDENTITY_FILE, text);
}

/* "@key <hex>\n" at *@at, which moves past it. */
static bool parse_hex(
	const char **at, const char *key, uint8_t *ret, size_t size)
{
	size_t key_len = strlen(key), got;
	const char *end;

	if (strncmp(*at, key, key_len) != 0)
		return false;
	if (sodium_hex2bin(ret, size, *at + key_len, 2 * size, NULL, &got,
		    &end) != 0 ||
		got != size || *end != '\n')
		return false;
	*at = end + 1;
	return true;
}

static bool identity_parse(const char *text, struct identity *i)
{
	const char *at = text;

	if (strncmp(at, IDENTITY_HEAD, strlen(IDENTITY_HEAD)) != 0)
		return false;
	at += strlen(IDENTITY_HEAD);
	return parse_hex(&at, "id ", i->id, sizeof(i->id)) &&
		parse_hex(&at, "secret ", i->secret, SECRET_SIZE) && !*at;
}

/* The epoch comes first: where there is an identity a missing one is lost. */
static int identity_make(const struct excuse *x, int dir, struct identity *i)
{
	int err;

	rand_bytes(i, sizeof(*i));
	err = write_text(dir, EPOCH_FILE, "0\n");
	if (!err)
		err = identity_write(dir, i);
	if (err)
		return refuse(x, err, "cannot write %s: %s", IDENTITY_FILE,
			strerror(-err));
	return 0;
}

static int identity_load(const struct excuse *x, int dir, struct identity *i)
{
	char text[TEXT_MAX];
	int err = read_text(dir, IDENTITY_FILE, text);

	if (err == -ENOENT)
		return identity_make(x, dir, i);
	if (!err && !identity_parse(text, i))
		err = -EUCLEAN;
	sodium_memzero(text, sizeof(text));
	if (err)
		return refuse(x, err,
			"%s is damaged (%s): restore it, or remove the "
			"directory to become another server",
			IDENTITY_FILE, strerror(-err));
	return 0;
}

/* One more start. A lost count could give a client id out twice. */
static int epoch_count(const struct excuse *x, int dir, uint64_t *ret)
{
	char text[TEXT_MAX];
	uint64_t epoch = 0;
	char end = 0;
	int err = read_text(dir, EPOCH_FILE, text);

	if (!err &&
		(sscanf(text, "%" SCNu64 "%c", &epoch, &end) != 2 ||
			end != '\n'))
		err = -EUCLEAN;
	if (err)
		return refuse(x, err,
			"%s is damaged (%s): write a number larger than any "
			"before to it",
			EPOCH_FILE, strerror(-err));
	snprintf(text, sizeof(text), "%" PRIu64 "\n", ++epoch);
	err = write_text(dir, EPOCH_FILE, text);
	if (err)
		return refuse(x, err, "cannot write %s: %s", EPOCH_FILE,
			strerror(-err));
	*ret = epoch;
	return 0;
}

static int ident_load(const struct excuse *x, int dir, struct ident *ret)
{
	struct identity i;
	uint64_t epoch = 0;
	int err = lock_dir(x, dir);

	if (!err)
		err = identity_load(x, dir, &i);
	if (!err)
		err = epoch_count(x, dir, &epoch);
	if (err)
		return err;
	*ret = (struct ident){.epoch = epoch, .dir_fd = dir};
	memcpy(ret->id, i.id, sizeof(ret->id));
	derive_keys(ret, i.secret);
	sodium_memzero(&i, sizeof(i));
	return 0;
}

int ident_open(const char *dir, struct ident *ret, char *why, size_t why_size)
{
	const struct excuse x = {dir, why, why_size};
	int fd = -1, err;

	if (sodium_init() < 0)
		return refuse(&x, -EIO, "libsodium does not start");
	err = open_dir(&x, &fd);
	if (err)
		return err;
	err = ident_load(&x, fd, ret);
	if (err)
		close(fd);
	return err;
}

void ident_make_test(uint64_t seed, struct ident *ret)
{
	struct rand_stream r = {seed};
	uint8_t secret[SECRET_SIZE];

	*ret = (struct ident){.epoch = 1, .dir_fd = -1};
	for (size_t i = 0; i < sizeof(ret->id); i++)
		ret->id[i] = rand_stream_next(&r);
	for (size_t i = 0; i < sizeof(secret); i++)
		secret[i] = rand_stream_next(&r);
	derive_keys(ret, secret);
}

void ident_close(struct ident *id)
{
	if (id->dir_fd >= 0)
		close(id->dir_fd);
	sodium_memzero(id, sizeof(*id));
	id->dir_fd = -1;
}
