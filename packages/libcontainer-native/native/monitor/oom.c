/* Watches a memory cgroup. The counter is the truth; the notification only says when to look. */
#define _GNU_SOURCE
#include "oom.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>

static int open_in(const char *folder, const char *name, int flags)
{
	char path[PATH_MAX];
	int fd;

	if (snprintf(path, sizeof path, "%s/%s", folder, name) >= (int)sizeof path)
		return -ENAMETOOLONG;
	fd = open(path, flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

bool mon_oom_refresh(struct mon_oom *oom)
{
	char text[512];
	ssize_t size = oom->counter_fd < 0 ? -1 : pread(oom->counter_fd, text, sizeof text - 1, 0);
	const char *line;
	uint32_t kills;

	if (size <= 0)
		return false;
	text[size] = '\0';
	line = strstr(text, "oom_kill ");
	if (line == NULL)
		return false;
	kills = (uint32_t)strtoul(line + strlen("oom_kill "), NULL, 10);
	if (kills <= oom->kills)
		return false;
	oom->kills = kills;
	return true;
}

static void on_event(struct mon_watch *watch, uint32_t events)
{
	struct mon_oom *oom = watch->owner;
	uint8_t ignored[1024];

	/* A removed cgroup reports an error for ever. */
	if (read(watch->fd, ignored, sizeof ignored) <= 0 || (events & EPOLLERR) != 0) {
		mon_oom_close(oom);
		return;
	}
	if (mon_oom_refresh(oom))
		oom->changed(oom->owner);
}

static int watch_v1(struct mon_oom *oom, const char *folder)
{
	MON_OWNED_FD int control = open_in(folder, "cgroup.event_control", O_WRONLY);
	MON_OWNED_FD int notifier = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	char request[32];
	int size = snprintf(request, sizeof request, "%d %d", notifier, oom->counter_fd);

	if (control < 0)
		return control;
	if (notifier < 0 || write(control, request, (size_t)size) != size)
		return -errno;
	oom->watch.fd = mon_take_fd(&notifier);
	return 0;
}

static int watch_v2(struct mon_oom *oom, const char *folder)
{
	MON_OWNED_FD int notifier = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
	char path[PATH_MAX];

	if (notifier < 0)
		return -errno;
	if (snprintf(path, sizeof path, "%s/memory.events", folder) >= (int)sizeof path)
		return -ENAMETOOLONG;
	if (inotify_add_watch(notifier, path, IN_MODIFY) < 0)
		return -errno;
	oom->watch.fd = mon_take_fd(&notifier);
	return 0;
}

int mon_oom_open(struct mon_oom *oom, struct mon_loop *loop, int version, const char *folder)
{
	int result;

	mon_oom_close(oom);
	oom->loop = loop;
	oom->watch = (struct mon_watch){ .fd = -EBADF, .handler = on_event, .owner = oom };
	oom->counter_fd = open_in(folder, version == 1 ? "memory.oom_control" : "memory.events", O_RDONLY);
	if (oom->counter_fd < 0)
		return oom->counter_fd;
	result = version == 1 ? watch_v1(oom, folder) : watch_v2(oom, folder);
	if (result == 0)
		result = mon_arm(loop, &oom->watch, EPOLLIN);
	if (result < 0)
		mon_oom_close(oom);
	return result;
}

void mon_oom_close(struct mon_oom *oom)
{
	if (oom->watch.fd >= 0)
		mon_watch_close(oom->loop, &oom->watch);
	mon_close(&oom->counter_fd);
}
