/* Small files that configure a program: whole files, and secrets of one line. */
#include "core/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_MAX 4096

static enum kw_rc read_open(int fd, const struct stat *st, const char *path, size_t max_bytes,
	struct kw_arena *a, struct kw_bytes *ret, struct kw_err *err);

/* The machine's trouble is not the file's: another time it may be read. */
static enum kw_rc rc_of(int number)
{
	switch (number) {
	case EMFILE:
	case ENFILE:
	case ENOMEM:
	case EIO:
		return KW_RETRY;
	default:
		return KW_INVALID;
	}
}

static void close_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static enum kw_rc open_file(const char *path, struct stat *ret_st, int *ret_fd, struct kw_err *err)
{
	/* a FIFO without a writer must not hold up the start */
	*ret_fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	if (*ret_fd < 0 || fstat(*ret_fd, ret_st) != 0)
		return kw_fail(err, rc_of(errno), "%s: %s", path, strerror(errno));
	if (!S_ISREG(ret_st->st_mode))
		return kw_fail(err, KW_INVALID, "%s: not a plain file", path);
	return KW_OK;
}

enum kw_rc kw_file_read(const char *path, size_t max_bytes, struct kw_arena *a,
	struct kw_bytes *ret, struct kw_err *err)
{
	KW_CLEANUP(close_fd) int fd = -1;
	struct stat st;

	KW_TRY(open_file(path, &st, &fd, err));
	return read_open(fd, &st, path, max_bytes, a, ret, err);
}

enum kw_rc kw_secret_read(
	const char *path, struct kw_arena *a, struct kw_bytes *ret, struct kw_err *err)
{
	KW_CLEANUP(close_fd) int fd = -1;
	struct kw_bytes text;
	struct stat st;

	KW_TRY(open_file(path, &st, &fd, err));
	if (st.st_mode & S_IROTH)
		return kw_fail(err, KW_INVALID, "%s: everybody may read it (chmod o-r)", path);
	KW_TRY(read_open(fd, &st, path, SECRET_MAX, a, &text, err));
	const char *p = text.p;
	if (text.n > 0 && p[text.n - 1] == '\n')
		text.n--;
	if (text.n == 0)
		return kw_fail(err, KW_INVALID, "%s: empty", path);
	for (size_t i = 0; i < text.n; i++)
		if ((unsigned char)p[i] < 0x20 || p[i] == 0x7f)
			return kw_fail(err, KW_INVALID,
				"%s: a secret is one line without control characters", path);
	*ret = text;
	return KW_OK;
}

static enum kw_rc read_open(int fd, const struct stat *st, const char *path, size_t max_bytes,
	struct kw_arena *a, struct kw_bytes *ret, struct kw_err *err)
{
	if (st->st_size > (off_t)max_bytes)
		return kw_fail(err, KW_INVALID, "%s: larger than %zu bytes", path, max_bytes);
	size_t size = (size_t)st->st_size, n = 0;
	char *p = kw_arena_alloc(a, size + 1, 1);
	while (n <= size) {
		ssize_t got = read(fd, p + n, size + 1 - n);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return kw_fail(err, rc_of(errno), "%s: %s", path, strerror(errno));
		if (got == 0)
			break;
		n += (size_t)got;
	}
	if (n != size)
		return kw_fail(err, KW_INVALID, "%s: changed while it was read", path);
	*ret = (struct kw_bytes) { p, n };
	return KW_OK;
}
