/*
 * Starts a program by clone(CLONE_VM | CLONE_VFORK): the cost does not grow with Node's memory. The child runs on a stack of its own inside
 * the parent's memory while the calling thread waits, so it makes system calls and nothing else; everything it needs is prepared before.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	FDS_MAX = 256,
	STRINGS_COUNT_MAX = 65536,
	CHILD_STACK_BYTES = 64 * 1024,
	KERNEL_SIGSET_BYTES = 8,
	SIGNAL_MAX = 64,
};

/* What the child does. `step` and `error` are its answer: the memory is shared. */
struct child {
	const char *file; /* or NULL: the descriptor */
	int file_fd;
	char **argv;
	char **env;
	const char *cwd;
	int fds[FDS_MAX];
	int fd_count;
	int pdeathsig;
	bool is_setsid;
	const char *step;
	int error;
};

static int fail(struct child *child, const char *step)
{
	child->step = step;
	child->error = errno;
	_exit(127);
}

/* Without glibc, whose sigaction refuses the two signals it keeps for itself. */
struct kernel_sigaction {
	void (*handler)(int);
	unsigned long flags;
	void (*restorer)(void);
	uint64_t mask;
};

static void reset_signals(void)
{
	struct kernel_sigaction action = { .handler = SIG_DFL };
	uint64_t none = 0;

	/* Handlers first: a signal that waits would otherwise run Node's handler here. */
	for (int number = 1; number <= SIGNAL_MAX; number++)
		if (number != SIGKILL && number != SIGSTOP)
			(void)syscall(SYS_rt_sigaction, number, &action, NULL, KERNEL_SIGSET_BYTES);
	(void)syscall(SYS_rt_sigprocmask, SIG_SETMASK, &none, NULL, KERNEL_SIGSET_BYTES);
}

/* Child descriptor i becomes fds[i]. Sources in the way of targets are moved out of it first. */
static void place_descriptors(struct child *child)
{
	int count = child->fd_count;

	if (child->file_fd >= 0 && child->file_fd < count) {
		child->file_fd = fcntl(child->file_fd, F_DUPFD_CLOEXEC, count);
		if (child->file_fd < 0)
			fail(child, "dup");
	}
	for (int i = 0; i < count; i++) {
		if (child->fds[i] >= count)
			continue;
		child->fds[i] = fcntl(child->fds[i], F_DUPFD_CLOEXEC, count);
		if (child->fds[i] < 0)
			fail(child, "dup");
	}
	for (int i = 0; i < count; i++)
		if (dup2(child->fds[i], i) < 0)
			fail(child, "dup2");
	if (syscall(SYS_close_range, count, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		fail(child, "close_range");
}

static int run_child(void *argument)
{
	struct child *child = argument;

	reset_signals();
	if (child->is_setsid && setsid() < 0)
		fail(child, "setsid");
	if (child->pdeathsig && prctl(PR_SET_PDEATHSIG, child->pdeathsig) < 0)
		fail(child, "prctl");
	if (child->cwd && chdir(child->cwd) < 0)
		fail(child, "chdir");
	place_descriptors(child);
	if (child->file)
		execve(child->file, child->argv, child->env);
	else
		syscall(SYS_execveat, child->file_fd, "", child->argv, child->env, AT_EMPTY_PATH);
	return fail(child, "execve");
}

/* Returns the pid or -errno with child->step; nothing is left of a child that could not exec. */
static int start(struct child *child, int *ret_pidfd)
{
	sigset_t all, before;
	int pidfd = -EBADF;
	int pid;
	int error;
	char *stack = mmap(NULL, CHILD_STACK_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);

	child->step = "clone";
	if (stack == MAP_FAILED)
		return -errno;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pid = clone(run_child, stack + CHILD_STACK_BYTES, CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, child, &pidfd);
	error = pid < 0 ? errno : child->error;
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	munmap(stack, CHILD_STACK_BYTES);
	if (error == 0) {
		*ret_pidfd = pidfd;
		return pid;
	}
	if (pid > 0) {
		(void)waitpid(pid, NULL, 0);
		(void)close(pidfd);
	}
	return -error;
}

static void free_strings(char **strings)
{
	if (!strings)
		return;
	for (char **string = strings; *string; string++)
		free(*string);
	free(strings);
}

static char *copy_string(napi_env env, napi_value value)
{
	size_t size;
	char *string;

	if (napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok)
		return NULL;
	string = malloc(size + 1);
	if (!string)
		return NULL;
	if (napi_get_value_string_utf8(env, value, string, size + 1, &size) == napi_ok && strlen(string) == size)
		return string;
	free(string);
	return NULL;
}

/* A NULL-terminated copy of an array of strings; NULL when it is not one. */
static char **copy_strings(napi_env env, napi_value array)
{
	uint32_t count;
	char **strings;

	if (!array || napi_get_array_length(env, array, &count) != napi_ok || count > STRINGS_COUNT_MAX)
		return NULL;
	strings = calloc((size_t)count + 1, sizeof(*strings));
	for (uint32_t i = 0; strings && i < count; i++) {
		napi_value element;

		if (napi_get_element(env, array, i, &element) == napi_ok)
			strings[i] = copy_string(env, element);
		if (!strings[i]) {
			free_strings(strings);
			return NULL;
		}
	}
	return strings;
}

static bool read_optional_int(napi_env env, napi_value options, const char *name, int *number)
{
	napi_value value = get_property(env, options, name);

	return !value || read_int(env, value, number);
}

static bool read_scalars(napi_env env, napi_value options, struct child *child)
{
	napi_value fds = get_property(env, options, "fds");
	napi_value is_setsid = get_property(env, options, "setsid");

	if (!fds)
		return false;
	child->fd_count = read_int_array(env, fds, child->fds, FDS_MAX);
	if (child->fd_count < 0)
		return false;
	if (is_setsid && napi_get_value_bool(env, is_setsid, &child->is_setsid) != napi_ok)
		return false;
	return read_optional_int(env, options, "pdeathsig", &child->pdeathsig) && read_optional_int(env, options, "fileFd", &child->file_fd);
}

static napi_value spawn_result(napi_env env, const struct child *child, int pid, int pidfd)
{
	napi_value result, step;

	if (napi_create_object(env, &result) != napi_ok)
		return NULL;
	if (pid < 0) {
		if (napi_create_string_utf8(env, child->step, NAPI_AUTO_LENGTH, &step) != napi_ok)
			return NULL;
		napi_set_named_property(env, result, "errno", number_result(env, -pid));
		napi_set_named_property(env, result, "step", step);
		return result;
	}
	napi_set_named_property(env, result, "pid", number_result(env, pid));
	napi_set_named_property(env, result, "pidfd", number_result(env, pidfd));
	return result;
}

/* spawn({ file?, fileFd?, argv, env, fds, cwd?, setsid?, pdeathsig? }) -> { pid, pidfd } or { errno, step } */
static napi_value spawn_program(napi_env env, napi_callback_info info)
{
	struct child child = { .file_fd = -EBADF };
	napi_value options, file, cwd, result = NULL;
	size_t count = 1;
	int pidfd = -EBADF;
	int pid;

	if (napi_get_cb_info(env, info, &count, &options, NULL, NULL) != napi_ok || count < 1)
		return type_error(env, "spawn");
	file = get_property(env, options, "file");
	cwd = get_property(env, options, "cwd");
	child.argv = copy_strings(env, get_property(env, options, "argv"));
	child.env = copy_strings(env, get_property(env, options, "env"));
	child.file = file ? copy_string(env, file) : NULL;
	child.cwd = cwd ? copy_string(env, cwd) : NULL;
	if (!child.argv || !child.env || (file && !child.file) || (cwd && !child.cwd) || !read_scalars(env, options, &child) ||
	    (!child.file && child.file_fd < 0))
		type_error(env, "spawn: file or fileFd, argv, env and fds are needed; strings must not contain NUL");
	else {
		pid = start(&child, &pidfd);
		result = spawn_result(env, &child, pid, pidfd);
	}
	free_strings(child.argv);
	free_strings(child.env);
	free((char *)child.file);
	free((char *)child.cwd);
	return result;
}

bool register_spawn(napi_env env, napi_value exports)
{
	return register_function(env, exports, "spawn", spawn_program, NULL);
}
