/* Owned descriptors: closed when the variable goes out of scope, unless handed on by take_fd(). */
#ifndef DRAY_LIB_OWNED_H
#define DRAY_LIB_OWNED_H

#include <errno.h>
#include <unistd.h>

static inline void close_fd(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		*fd = -EBADF;
		errno = saved;
	}
}

#define OWNED_FD __attribute__((cleanup(close_fd)))

static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

#endif
