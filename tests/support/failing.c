/* Preloaded into a program under test (LD_PRELOAD): counts its calls by place, and lets one fail,
 * the n-th of a place from when a test says so. A place is a class of calls and who called whom up
 * to there. Test and program share FAILING_FILE, which holds struct control
 * (tests/scenario/failing_test.py has it, too). Any thread; no locks. */
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#define PLACES 16384
#define FRAMES 40
#define OURS 3   /* frames of the program that tell a place */
#define OTHERS 6 /* where there are none: of a library */
#define CLASS_SHIFT 56

enum class {
	ALLOCATE,
	OPEN, /* files and sockets */
	READ,
	WRITE,
	RECEIVE,
	SEND,
	CONNECT,
	SYNC,
	COMMIT_LOST,       /* of a transaction: the command does not arrive */
	COMMIT_UNANSWERED, /* it arrives, and its answer does not */
};

struct place {
	_Atomic uint64_t id; /* 0: not taken */
	_Atomic uint64_t calls;
};

struct control {
	_Atomic uint64_t armed; /* a place; 0: none */
	_Atomic int64_t left;   /* its calls until one fails */
	_Atomic uint64_t fired;
	struct place places[PLACES];
};

static struct control *_Atomic control;
static uintptr_t program_begin, program_end;
/* What we ask of others comes by here again. */
static _Thread_local bool inside __attribute__((tls_model("initial-exec")));

/* The first object is the program. */
static int find_program(struct dl_phdr_info *object, size_t size, void *ctx)
{
	(void)size;
	(void)ctx;
	program_begin = object->dlpi_addr;
	for (int i = 0; i < object->dlpi_phnum; i++) {
		const ElfW(Phdr) *part = &object->dlpi_phdr[i];
		uintptr_t end = object->dlpi_addr + part->p_vaddr + part->p_memsz;

		if (part->p_type == PT_LOAD && end > program_end)
			program_end = end;
	}
	return 1;
}

/* Before main, and by system calls alone: what they would go through is ours. */
__attribute__((constructor)) static void find_control(void)
{
	const char *path = getenv("FAILING_FILE");
	void *frames[1];

	if (!path)
		return;
	int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return;
	void *p = mmap(NULL, sizeof(struct control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	syscall(SYS_close, fd);
	inside = true;
	backtrace(frames, 1); /* the first one loads a library */
	dl_iterate_phdr(find_program, NULL);
	inside = false;
	if (p != MAP_FAILED)
		control = p;
}

/* The innermost frames of the program, whatever a library does below them; of a library's own
 * thread the library's. What lies where changes from run to run, but for an address in its page. */
static uint64_t place_of(enum class class, void *const frames[], int n)
{
	uint64_t ours = 1469598103934665603u, others = ours; /* FNV-1a */
	int n_ours = 0;

	for (int i = 0; i < n && n_ours < OURS; i++) {
		uintptr_t at = (uintptr_t)frames[i];

		if (at >= program_begin && at < program_end) {
			ours = (ours ^ (at & 0xfff)) * 1099511628211u;
			n_ours++;
		} else if (i < OTHERS) {
			others = (others ^ (at & 0xfff)) * 1099511628211u;
		}
	}
	return ((uint64_t) class + 1) << CLASS_SHIFT |
	       (n_ours > 0 ? ours : others) >> (64 - CLASS_SHIFT);
}

/* A table that is full counts no new place. */
static void count(struct control *c, uint64_t id)
{
	for (uint64_t i = 0; i < PLACES; i++) {
		struct place *p = &c->places[(id + i) % PLACES];
		uint64_t there = 0;

		if (atomic_compare_exchange_strong(&p->id, &there, id) || there == id) {
			p->calls++;
			return;
		}
	}
}

/* Counts a call; true: this one fails, and the program's log has the way to it. */
static bool fails(enum class class)
{
	struct control *c = control;
	void *frames[FRAMES];
	int n;

	if (!c || inside)
		return false;
	inside = true;
	n = backtrace(frames, FRAMES);
	uint64_t id = place_of(class, frames, n), armed = id;
	count(c, id);
	bool fail = c->armed == id && atomic_fetch_sub(&c->left, 1) == 1 &&
		    atomic_compare_exchange_strong(&c->armed, &armed, 0);
	if (fail) {
		backtrace_symbols_fd(frames, n, STDERR_FILENO);
		c->fired = 1;
	}
	inside = false;
	return fail;
}

/* The next definition of a function behind this library. */
#define NEXT(name, ret, ...)                                    \
	static ret (*_Atomic name##_found)(__VA_ARGS__);        \
	static ret (*next_##name(void))(__VA_ARGS__)            \
	{                                                       \
		ret (*f)(__VA_ARGS__) = name##_found;           \
		if (!f) {                                       \
			*(void **)&f = dlsym(RTLD_NEXT, #name); \
			name##_found = f;                       \
		}                                               \
		return f;                                       \
	}

/* What glibc calls in itself (stdio's files, its own buffers) does not come by here. */
#define FAIL(class, number, name, ret, failed, parameters, arguments, ...) \
	NEXT(name, ret, __VA_ARGS__)                                       \
	ret name parameters;                                               \
	ret name parameters                                                \
	{                                                                  \
		if (fails(class)) {                                        \
			errno = number;                                    \
			return failed;                                     \
		}                                                          \
		return next_##name() arguments;                            \
	}

FAIL(ALLOCATE, ENOMEM, malloc, void *, NULL, (size_t n), (n), size_t)
FAIL(ALLOCATE, ENOMEM, calloc, void *, NULL, (size_t n, size_t size), (n, size), size_t, size_t)
FAIL(ALLOCATE, ENOMEM, realloc, void *, NULL, (void *p, size_t n), (p, n), void *, size_t)
FAIL(OPEN, EMFILE, socket, int, -1, (int family, int type, int protocol), (family, type, protocol),
	int, int, int)
FAIL(OPEN, EMFILE, accept4, int, -1, (int fd, __SOCKADDR_ARG address, socklen_t *n, int flags),
	(fd, address, n, flags), int, __SOCKADDR_ARG, socklen_t *, int)
FAIL(READ, EIO, read, ssize_t, -1, (int fd, void *p, size_t n), (fd, p, n), int, void *, size_t)
FAIL(READ, EIO, pread, ssize_t, -1, (int fd, void *p, size_t n, off_t at), (fd, p, n, at), int,
	void *, size_t, off_t)
FAIL(WRITE, ENOSPC, write, ssize_t, -1, (int fd, const void *p, size_t n), (fd, p, n), int,
	const void *, size_t)
FAIL(WRITE, ENOSPC, writev, ssize_t, -1, (int fd, const struct iovec *v, int n), (fd, v, n), int,
	const struct iovec *, int)
FAIL(RECEIVE, ECONNRESET, recv, ssize_t, -1, (int fd, void *p, size_t n, int flags),
	(fd, p, n, flags), int, void *, size_t, int)
FAIL(RECEIVE, ECONNRESET, recvmsg, ssize_t, -1, (int fd, struct msghdr *m, int flags),
	(fd, m, flags), int, struct msghdr *, int)
FAIL(SEND, ECONNRESET, sendmsg, ssize_t, -1, (int fd, const struct msghdr *m, int flags),
	(fd, m, flags), int, const struct msghdr *, int)
FAIL(SEND, ECONNRESET, sendto, ssize_t, -1,
	(int fd, const void *p, size_t n, int flags, __CONST_SOCKADDR_ARG to, socklen_t n_to),
	(fd, p, n, flags, to, n_to), int, const void *, size_t, int, __CONST_SOCKADDR_ARG,
	socklen_t)
FAIL(CONNECT, ECONNREFUSED, connect, int, -1, (int fd, __CONST_SOCKADDR_ARG address, socklen_t n),
	(fd, address, n), int, __CONST_SOCKADDR_ARG, socklen_t)
FAIL(SYNC, EIO, fsync, int, -1, (int fd), (fd), int)
FAIL(SYNC, EIO, fdatasync, int, -1, (int fd), (fd), int)

/* The mode of open is there only with O_CREAT. */
#define OPENS(name, parameters, arguments, ...)    \
	NEXT(name, int, __VA_ARGS__, ...)          \
	int name parameters;                       \
	int name parameters                        \
	{                                          \
		mode_t mode = 0;                   \
		if (flags & O_CREAT) {             \
			va_list ap;                \
			va_start(ap, flags);       \
			mode = va_arg(ap, mode_t); \
			va_end(ap);                \
		}                                  \
		if (fails(OPEN)) {                 \
			errno = EMFILE;            \
			return -1;                 \
		}                                  \
		return next_##name() arguments;    \
	}

OPENS(open, (const char *path, int flags, ...), (path, flags, mode), const char *, int)
OPENS(open64, (const char *path, int flags, ...), (path, flags, mode), const char *, int)
OPENS(openat, (int at, const char *path, int flags, ...), (at, path, flags, mode), int,
	const char *, int)

/* libpq sends a COMMIT alone, as a simple query. */
static bool is_commit(const void *p, size_t n)
{
	static const char commit[] = "Q\0\0\0\013COMMIT";

	return n == sizeof(commit) && memcmp(p, commit, n) == 0;
}

NEXT(send, ssize_t, int, const void *, size_t, int)
ssize_t send(int fd, const void *p, size_t n, int flags)
{
	bool commit = is_commit(p, n);

	if (commit && fails(COMMIT_LOST)) {
		shutdown(fd, SHUT_RDWR);
		errno = ECONNRESET;
		return -1;
	}
	if (!commit && fails(SEND)) {
		errno = ECONNRESET;
		return -1;
	}
	ssize_t sent = next_send()(fd, p, n, flags);
	if (commit && fails(COMMIT_UNANSWERED))
		shutdown(fd, SHUT_RD);
	return sent;
}
