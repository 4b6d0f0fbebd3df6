/* What every file of the monitor needs: owned descriptors, the event loop, small system call wrappers. */
#ifndef DRAY_MONITOR_BASE_H
#define DRAY_MONITOR_BASE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unistd.h>

/* Closes *fd and marks it closed; keeps errno, accepts a closed one. */
static inline void mon_close(int *fd)
{
	if (*fd >= 0) {
		int saved = errno;

		(void)close(*fd);
		*fd = -EBADF;
		errno = saved;
	}
}

#define MON_OWNED_FD __attribute__((cleanup(mon_close)))

/* Hands an owned descriptor on: the variable it came from no longer closes it. */
static inline int mon_take_fd(int *fd)
{
	int taken = *fd;

	*fd = -EBADF;
	return taken;
}

/*
 * The event loop. A watch is embedded in the structure that owns the descriptor; `owner` finds the way back. A handler may close any watch:
 * events that were already fetched for a closed one are dropped, because its `fd` is negative by then. Memory of watches must therefore not
 * be given back before the loop's turn is over.
 */
struct mon_watch;
typedef void (*mon_handler)(struct mon_watch *watch, uint32_t events);

struct mon_watch {
	int fd;
	uint32_t armed; /* the epoll events it is registered for; 0 when it is not registered */
	mon_handler handler;
	void *owner;
};

#define MON_WATCH_NONE { .fd = -EBADF }

struct mon_loop {
	int epoll_fd;
};

int mon_loop_open(struct mon_loop *loop);
/* Waits at most timeout_ms (-1: for ever) and runs the handlers of what happened. Returns the number of events or -errno. */
int mon_loop_turn(struct mon_loop *loop, int timeout_ms);
/* Registers for exactly these events; 0 takes the watch out, so that not even a hang-up is reported. */
int mon_arm(struct mon_loop *loop, struct mon_watch *watch, uint32_t events);
/* Takes the watch out and closes its descriptor. */
void mon_watch_close(struct mon_loop *loop, struct mon_watch *watch);

/* Zeroed private pages that cost nothing until they are touched. */
void *mon_pages_new(size_t size);
/* Gives touched pages back to the kernel; they read as zeroes afterwards. */
void mon_pages_forget(void *pages, size_t size);

int mon_set_nonblocking(int fd);
/* Raises a pipe's capacity to 1 MiB where the kernel allows it; a smaller pipe is slower, never wrong. */
void mon_pipe_grow(int fd);
uint64_t mon_now_ns(void);
/* Writes the whole buffer to a blocking descriptor. */
int mon_write_all(int fd, const void *bytes, size_t size);
/* Replaces `path` by a file with these bytes: whole or not at all. */
int mon_write_file(const char *path, const void *bytes, size_t size);

/* A listening unix socket at `path`, which may be longer than sun_path holds; an old file there is replaced. */
int mon_listen_unix(const char *path, mode_t mode, int backlog, int *ret_fd);

#endif
