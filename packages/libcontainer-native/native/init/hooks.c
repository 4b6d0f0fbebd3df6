/* OCI hooks that run inside the container's namespaces, one after the other. The first that fails ends it. */
#include "init.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <fcntl.h>

static int write_all(int fd, const char *text)
{
	size_t left = strlen(text);

	while (left > 0) {
		ssize_t r = write(fd, text, left);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EPIPE ? 0 : -errno; /* A hook need not read its input. */
		text += r;
		left -= (size_t)r;
	}
	return 0;
}

/* The state is written to a memory file, so that nobody waits for a hook that reads slowly or never. */
static int make_input(const struct plan_hooks *hooks, int *ret_fd)
{
	char pid[16];
	OWNED_FD int fd = (int)syscall(SYS_memfd_create, "state", 1 /* MFD_CLOEXEC */);
	int r;

	if (fd < 0)
		return -errno;
	(void)snprintf(pid, sizeof(pid), "%d", getpid());
	r = write_all(fd, hooks->state_before);
	if (r == 0)
		r = write_all(fd, pid);
	if (r == 0)
		r = write_all(fd, hooks->state_after);
	if (r == 0 && lseek(fd, 0, SEEK_SET) < 0)
		r = -errno;
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static void exec_hook(const struct plan_hook *hook, int input_fd, const char *cwd)
{
	int error;

	if (dup2(input_fd, STDIN_FILENO) < 0 || chdir(cwd) < 0)
		_exit(127);
	execve(hook->path, hook->args.items, hook->env.items);
	error = errno;
	_exit(error == ENOENT ? 127 : 126);
}

/* Waits for the hook to end; 0 when it did, -ETIMEDOUT when it was killed. */
static int wait_for_hook(pid_t pid, uint32_t timeout_ms)
{
	OWNED_FD int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	struct pollfd watched = { .fd = pidfd, .events = POLLIN };
	int r;

	if (pidfd < 0)
		return -errno;
	do {
		r = poll(&watched, 1, timeout_ms == 0 || timeout_ms > INT32_MAX ? -1 : (int)timeout_ms);
	} while (r < 0 && errno == EINTR);
	if (r > 0)
		return 0;
	(void)kill(pid, SIGKILL);
	return r == 0 ? -ETIMEDOUT : -errno;
}

static int run_hook(struct init *init, const struct plan_hook *hook, int input_fd, const char *cwd)
{
	int status = 0;
	int r;
	pid_t pid = fork();

	if (pid < 0)
		return fail(init, errno, "hook", "%s", hook->path);
	if (pid == 0)
		exec_hook(hook, input_fd, cwd);
	r = wait_for_hook(pid, hook->timeout_ms);
	if (waitpid(pid, &status, 0) < 0 && r == 0)
		r = -errno;
	if (r < 0)
		return fail(init, -r, "hook", "%s", hook->path);
	if (WIFSIGNALED(status))
		return fail(init, ECANCELED, "hook", "%s: signal %d", hook->path, WTERMSIG(status));
	if (WEXITSTATUS(status) != 0)
		return fail(init, ECANCELED, "hook", "%s: exit status %d", hook->path, WEXITSTATUS(status));
	return 0;
}

int run_hooks(struct init *init, const struct plan_hooks *hooks, const char *cwd)
{
	for (uint32_t i = 0; i < hooks->count; i++) {
		OWNED_FD int input_fd = -EBADF;
		int r = make_input(hooks, &input_fd);

		if (r < 0)
			return fail(init, -r, "hook", "state");
		r = run_hook(init, &hooks->items[i], input_fd, cwd);
		if (r < 0)
			return r;
	}
	return 0;
}
