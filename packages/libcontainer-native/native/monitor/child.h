/* Starting programs, and the descriptors they are given. */
#ifndef DRAY_MONITOR_CHILD_H
#define DRAY_MONITOR_CHILD_H

#include "base.h"
#include "uri.h"

enum { CHILD_INHERITED_MAX = 64 };

/* The descriptors above 2 that the monitor was started with: they belong to the command. */
struct child_inherited {
	int count;
	int fds[CHILD_INHERITED_MAX];
};

/*
 * Lists them, leaving out the monitor's own, which it makes close-on-exec; these may be -1. To be called before the monitor opens anything.
 */
int child_list_inherited(struct child_inherited *ret_inherited, const int own[2]);
void child_close_inherited(struct child_inherited *inherited);

/*
 * Starts `argv` with these descriptors as 0, 1 and 2 (all of them valid): the program that exec_fd refers to, or with -1 the one that argv[0] names.
 * Returns 0, or -errno of fork or of exec.
 */
int child_start(char *const *argv, int exec_fd, const int stdio[3], pid_t *ret_pid);

/*
 * Starts a foreign logger by containerd's contract: the pairs as arguments, CONTAINER_ID and CONTAINER_NAMESPACE in its environment, stdout's
 * pipe as descriptor 3, stderr's as 4, and 5, which it closes when it is ready. Waits at most 10 s for that.
 */
int child_start_logger(const struct mon_uri *uri, const char *id, const char *namespace, int out, int err, pid_t *ret_pid);

/* A process's exit code, or 128 + the signal that ended it. */
int child_exit_status(int wait_status);
/* Kills and reaps every child this process has, and their orphans that come to it. */
void child_kill_all(void);

#endif
