/* Counts the processes of a cgroup that the kernel killed for want of memory. */
#ifndef DRAY_MONITOR_OOM_H
#define DRAY_MONITOR_OOM_H

#include "base.h"

struct mon_oom {
	struct mon_loop *loop;
	struct mon_watch watch; /* v1: an eventfd on memory.oom_control; v2: inotify on memory.events */
	int counter_fd;         /* the file that holds the "oom_kill" line */
	uint32_t kills;
	void (*changed)(void *owner);
	void *owner;
};

/* Begins to watch the memory cgroup in `folder`; version is 1 or 2. A watch that was begun before is replaced. Returns 0 or -errno. */
int mon_oom_open(struct mon_oom *oom, struct mon_loop *loop, int version, const char *folder);
/* Reads the counter now. Returns whether it has grown. */
bool mon_oom_refresh(struct mon_oom *oom);
void mon_oom_close(struct mon_oom *oom);

#endif
