/* The event loop and the system call wrappers of base.h. */
#define _GNU_SOURCE
#include "base.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

enum { TURN_EVENTS_MAX = 16, PIPE_BYTES = 1 << 20 };

int mon_loop_open(struct mon_loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	return loop->epoll_fd < 0 ? -errno : 0;
}

int mon_loop_turn(struct mon_loop *loop, int timeout_ms)
{
	struct epoll_event events[TURN_EVENTS_MAX];
	int count = epoll_wait(loop->epoll_fd, events, TURN_EVENTS_MAX, timeout_ms);

	if (count < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < count; i++) {
		struct mon_watch *watch = events[i].data.ptr;

		if (watch->fd >= 0 && watch->armed != 0)
			watch->handler(watch, events[i].events);
	}
	return count;
}

int mon_arm(struct mon_loop *loop, struct mon_watch *watch, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };
	int operation = EPOLL_CTL_MOD;

	if (watch->armed == events || watch->fd < 0)
		return 0;
	if (watch->armed == 0)
		operation = EPOLL_CTL_ADD;
	if (events == 0)
		operation = EPOLL_CTL_DEL;
	if (epoll_ctl(loop->epoll_fd, operation, watch->fd, &event) < 0)
		return -errno;
	watch->armed = events;
	return 0;
}

void mon_watch_close(struct mon_loop *loop, struct mon_watch *watch)
{
	(void)mon_arm(loop, watch, 0);
	watch->armed = 0;
	mon_close(&watch->fd);
}

void *mon_pages_new(size_t size)
{
	void *pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return pages == MAP_FAILED ? NULL : pages;
}

void mon_pages_forget(void *pages, size_t size)
{
	if (pages != NULL)
		(void)madvise(pages, size, MADV_DONTNEED);
}

int mon_set_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	return fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

void mon_pipe_grow(int fd)
{
	(void)fcntl(fd, F_SETPIPE_SZ, PIPE_BYTES);
}

uint64_t mon_now_ns(void)
{
	struct timespec now;

	(void)clock_gettime(CLOCK_REALTIME, &now);
	return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

int mon_write_all(int fd, const void *bytes, size_t size)
{
	const char *next = bytes;

	while (size > 0) {
		ssize_t written = write(fd, next, size);

		if (written < 0 && errno == EINTR)
			continue;
		if (written < 0)
			return -errno;
		next += written;
		size -= (size_t)written;
	}
	return 0;
}

int mon_write_file(const char *path, const void *bytes, size_t size)
{
	char temporary[PATH_MAX];
	MON_OWNED_FD int fd = -EBADF;
	int result;

	if (snprintf(temporary, sizeof temporary, "%s.tmp", path) >= (int)sizeof temporary)
		return -ENAMETOOLONG;
	fd = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	result = mon_write_all(fd, bytes, size);
	if (result == 0 && rename(temporary, path) < 0)
		result = -errno;
	if (result < 0)
		(void)unlink(temporary);
	return result;
}

/* Fills the address; a path that does not fit is named through its folder's descriptor, which must stay open until bind. */
static int unix_address(const char *path, struct sockaddr_un *address, int *ret_folder_fd)
{
	char folder[PATH_MAX], name[PATH_MAX];
	int written;

	address->sun_family = AF_UNIX;
	if (strlen(path) < sizeof address->sun_path) {
		memcpy(address->sun_path, path, strlen(path) + 1);
		return 0;
	}
	if (strlen(path) >= sizeof folder)
		return -ENAMETOOLONG;
	memcpy(folder, path, strlen(path) + 1);
	memcpy(name, path, strlen(path) + 1);
	*ret_folder_fd = open(dirname(folder), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (*ret_folder_fd < 0)
		return -errno;
	written = snprintf(address->sun_path, sizeof address->sun_path, "/proc/self/fd/%d/%s", *ret_folder_fd, basename(name));
	return written >= (int)sizeof address->sun_path ? -ENAMETOOLONG : 0;
}

static int remove_old_socket(const char *path)
{
	struct stat old;

	if (lstat(path, &old) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(old.st_mode))
		return -EEXIST;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int mon_listen_unix(const char *path, mode_t mode, int backlog, int *ret_fd)
{
	struct sockaddr_un address = { 0 };
	MON_OWNED_FD int folder = -EBADF;
	MON_OWNED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int result;

	if (fd < 0)
		return -errno;
	result = unix_address(path, &address, &folder);
	if (result < 0)
		return result;
	result = remove_old_socket(path);
	if (result < 0)
		return result;
	/* On Linux bind() gives the file the socket's own mode, so there is no moment at which others could connect. */
	if (fchmod(fd, mode) < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, backlog) < 0)
		return -errno;
	*ret_fd = mon_take_fd(&fd);
	return 0;
}
