/* Preloaded into a service: its wall clock is wrong as the file CHAOS_CLOCK says, from the moment
 * at which that is written. The monotonic clock is right, as it is when somebody sets the time. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S 1000000000LL

/* Written by campaign.py's Stage.set_clock. */
struct wrong {
	_Atomic int64_t offset_ns; /* added to the time */
	_Atomic int64_t frozen_ns; /* not 0: it is always this */
};

static const struct wrong *wrong;

__attribute__((constructor)) static void open_file(void)
{
	const char *path = getenv("CHAOS_CLOCK");
	int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
	void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof(*wrong), PROT_READ, MAP_SHARED, fd, 0);

	if (fd >= 0)
		close(fd);
	if (p != MAP_FAILED)
		wrong = p;
}

int clock_gettime(clockid_t id, struct timespec *ret)
{
	int code = (int)syscall(SYS_clock_gettime, id, ret);

	if (code != 0 || !wrong || (id != CLOCK_REALTIME && id != CLOCK_REALTIME_COARSE))
		return code;
	int64_t ns = atomic_load(&wrong->frozen_ns);
	if (ns == 0)
		ns = (int64_t)ret->tv_sec * NS_PER_S + ret->tv_nsec +
		     atomic_load(&wrong->offset_ns);
	*ret = (struct timespec) { .tv_sec = ns / NS_PER_S, .tv_nsec = ns % NS_PER_S };
	return 0;
}

int gettimeofday(struct timeval *restrict ret, void *restrict zone)
{
	struct timespec now;

	(void)zone;
	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	*ret = (struct timeval) { .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return 0;
}

time_t time(time_t *ret)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) != 0)
		return -1;
	if (ret)
		*ret = now.tv_sec;
	return now.tv_sec;
}
