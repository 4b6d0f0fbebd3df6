/* Starts the command and foreign loggers. The monitor is single-threaded, so a forked child may do anything. */
#define _GNU_SOURCE
#include "child.h"

#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>

enum {
	LOGGER_READY_TIMEOUT_MS = 10000,
	KILL_ROUNDS_MAX = 1000,
	PLACED_MAX = 6, /* the most descriptors a child is given: 0 to 5 */
};

static void close_folder(DIR **folder)
{
	if (*folder != NULL)
		(void)closedir(*folder);
}

static int keep_own(const int own[2])
{
	for (int i = 0; i < 2; i++) {
		if (own[i] >= 0 && fcntl(own[i], F_SETFD, FD_CLOEXEC) < 0)
			return -errno;
	}
	return 0;
}

int child_list_inherited(struct child_inherited *ret_inherited, const int own[2])
{
	__attribute__((cleanup(close_folder))) DIR *folder = opendir("/proc/self/fd");
	struct child_inherited list = { .count = 0 };
	struct dirent *entry;

	if (folder == NULL)
		return -errno;
	while ((entry = readdir(folder)) != NULL) {
		int fd = atoi(entry->d_name);

		if (fd <= 2 || fd == dirfd(folder) || fd == own[0] || fd == own[1])
			continue;
		if (list.count == CHILD_INHERITED_MAX )
			return -EMFILE;
		list.fds[list.count++] = fd;
	}
	*ret_inherited = list;
	return keep_own(own);
}

void child_close_inherited(struct child_inherited *inherited)
{
	for (int i = 0; i < inherited->count; i++)
		mon_close(&inherited->fds[i]);
	inherited->count = 0;
}

static void reset_signals(void)
{
	sigset_t none;

	for (int number = 1; number < NSIG; number++)
		(void)signal(number, SIG_DFL);
	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Makes the descriptors 0, 1, 2, …; they are copied to free numbers above beforehand, so that no target overwrites a source. */
static int place_fds(const int *fds, int count)
{
	int parked[PLACED_MAX];

	for (int i = 0; i < count; i++) {
		parked[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, PLACED_MAX);
		if (parked[i] < 0)
			return -errno;
	}
	for (int i = 0; i < count; i++) {
		if (dup2(parked[i], i) < 0)
			return -errno;
	}
	return 0;
}

/* What to start, and what it is given as 0, 1, 2, …; exec_fd is -1 for a program that argv[0] names. */
struct program {
	char *const *argv;
	int exec_fd;
	const int *fds;
	int count;
};

/* Tells the parent the errno over a pipe that a successful exec closes. */
static _Noreturn void child_run(const struct program *program, int report)
{
	int result;

	reset_signals();
	result = place_fds(program->fds, program->count);
	if (result == 0) {
		if (program->exec_fd >= 0)
			(void)execveat(program->exec_fd, "", program->argv, environ, AT_EMPTY_PATH);
		else
			(void)execvp(program->argv[0], program->argv);
		result = -errno;
	}
	(void)!write(report, &result, sizeof result);
	_exit(127);
}

static int start(const struct program *program, pid_t *ret_pid)
{
	MON_OWNED_FD int read_end = -EBADF;
	MON_OWNED_FD int write_end = -EBADF;
	int ends[2], failure = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	read_end = ends[0];
	write_end = fcntl(ends[1], F_DUPFD_CLOEXEC, PLACED_MAX);
	(void)close(ends[1]);
	if (write_end < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid == 0)
		child_run(program, write_end);
	mon_close(&write_end);
	if (read(read_end, &failure, sizeof failure) == (ssize_t)sizeof failure && failure < 0) {
		(void)waitpid(pid, NULL, 0);
		return failure;
	}
	*ret_pid = pid;
	return 0;
}

int child_start(char *const *argv, int exec_fd, const int stdio[3], pid_t *ret_pid)
{
	return start(&(struct program){ .argv = argv, .exec_fd = exec_fd, .fds = stdio, .count = 3 }, ret_pid);
}

static int wait_ready(int fd)
{
	struct pollfd probe = { .fd = fd, .events = POLLIN };
	int result = poll(&probe, 1, LOGGER_READY_TIMEOUT_MS);

	if (result < 0)
		return -errno;
	return result == 0 ? -ETIMEDOUT : 0;
}

static int set_environment(const char *id, const char *namespace)
{
	if (setenv("CONTAINER_ID", id, 1) < 0 || setenv("CONTAINER_NAMESPACE", namespace, 1) < 0)
		return -errno;
	return 0;
}

int child_start_logger(const struct mon_uri *uri, const char *id, const char *namespace, int out, int err, pid_t *ret_pid)
{
	const char *argv[2 + 2 * MON_PAIRS_MAX] = { uri->path };
	MON_OWNED_FD int ready_read = -EBADF;
	MON_OWNED_FD int ready_write = -EBADF;
	MON_OWNED_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	int fds[PLACED_MAX] = { null, null, null, out, err, -EBADF };
	int ends[2], count = 1, result;

	for (int i = 0; i < uri->pairs.count; i++) {
		argv[count++] = uri->pairs.keys[i];
		if (*uri->pairs.values[i] != '\0')
			argv[count++] = uri->pairs.values[i];
	}
	argv[count] = NULL;
	if (null < 0 || pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	ready_read = ends[0];
	ready_write = ends[1];
	fds[PLACED_MAX - 1] = ready_write;
	result = set_environment(id, namespace);
	if (result == 0)
		result = start(&(struct program){ .argv = (char *const *)argv, .exec_fd = -1, .fds = fds, .count = PLACED_MAX }, ret_pid);
	(void)unsetenv("CONTAINER_ID");
	(void)unsetenv("CONTAINER_NAMESPACE");
	mon_close(&ready_write);
	return result < 0 ? result : wait_ready(ready_read);
}

int child_exit_status(int wait_status)
{
	return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

/* The kernel lists a thread's children; orphans of those that were killed appear in the next round. */
static int kill_listed(void)
{
	FILE *list = fopen("/proc/thread-self/children", "re");
	int pid, killed = 0;

	if (list == NULL)
		return 0;
	while (fscanf(list, "%d", &pid) == 1) {
		if (kill(pid, SIGKILL) == 0)
			killed++;
	}
	(void)fclose(list);
	return killed;
}

void child_kill_all(void)
{
	for (int round = 0; round < KILL_ROUNDS_MAX && kill_listed() > 0; round++) {
		/* One of those that were killed will come; the others may have left orphans here, which only the next round kills. */
		(void)waitpid(-1, NULL, 0);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			continue;
	}
}
