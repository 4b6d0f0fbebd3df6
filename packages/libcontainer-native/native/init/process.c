/* The last part: from a finished container to its own program. */
#include "init.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The descriptors init still needs, moved behind everything that the process inherits. */
enum { KEPT_SYNC, KEPT_FIFO, KEPT_PROC, KEPT_COUNT };

static int move_descriptor(struct init *init, int *fd, int target)
{
	if (*fd < 0)
		return 0;
	if (dup3(*fd, target, O_CLOEXEC) < 0)
		return fail(init, errno, "descriptors", "%d", target);
	*fd = target;
	return 0;
}

static int keep_descriptors(struct init *init, int high)
{
	int r = move_descriptor(init, &init->sync_fd, high + KEPT_SYNC);

	if (r == 0)
		r = move_descriptor(init, &init->fifo_fd, high + KEPT_FIFO);
	return r < 0 ? r : move_descriptor(init, &init->proc_fd, high + KEPT_PROC);
}

/* Preserved descriptors become 3, 4, …; all others but the kept ones are closed. */
static int arrange_descriptors(struct init *init)
{
	const struct plan *plan = &init->plan;
	int first = FIRST_INHERITED_FD + (int)plan->inherited_count;
	int count = (int)plan->preserved_count;
	int end = STDERR_FILENO + 1 + count;
	int high = first + count + KEPT_COUNT;
	int r;

	/* Others of init may have these numbers; they are done with. */
	close_fd(&init->root_fd);
	r = keep_descriptors(init, high);
	if (r < 0)
		return r;
	for (int i = 0; i < count; i++)
		if (dup2(first + i, STDERR_FILENO + 1 + i) < 0)
			return fail(init, errno, "preserve-fds", "%d", STDERR_FILENO + 1 + i);
	if (syscall(SYS_close_range, end, high - 1, 0) < 0 || syscall(SYS_close_range, high + KEPT_COUNT, ~0U, 0) < 0)
		return fail(init, errno, "close_range", "%d", end);
	return 0;
}

/* The process must be able to open its own standard streams again through /proc. */
static int own_stdio(struct init *init)
{
	uint32_t uid = init->plan.process.uid;

	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		struct stat state;

		if (fstat(fd, &state) < 0 || state.st_uid == uid || is_device(fd, 1, 3))
			continue;
		if (fchown(fd, uid, (gid_t)-1) == 0)
			continue;
		/* A socket, a read-only file system, or an owner that the user namespace does not know: it stays as it is. */
		if (errno != EINVAL && errno != EPERM && errno != EROFS && errno != EOPNOTSUPP)
			return fail(init, errno, "stdio", "owner of %d", fd);
	}
	return 0;
}

static int enter_directory(struct init *init)
{
	return chdir(init->plan.process.cwd) < 0 ? fail(init, errno, "chdir", "%s", init->plan.process.cwd) : 0;
}

/* A working directory that has no path from the root lies outside of the container. */
static int check_directory(struct init *init)
{
	char path[PATH_MAX];
	long r = syscall(SYS_getcwd, path, sizeof(path));

	if (r < 0)
		return fail(init, errno, "cwd-outside", "%s", init->plan.process.cwd);
	return path[0] == '/' ? 0 : fail(init, EPERM, "cwd-outside", "%s", init->plan.process.cwd);
}

/* As root first; a directory that only the user may enter (or root may not, on a network file system) is tried again as the user. */
static int become_user(struct init *init)
{
	int directory_r = enter_directory(init);
	int r;

	if (directory_r < 0 && directory_r != -EACCES && directory_r != -EPERM)
		return directory_r;
	r = own_stdio(init);
	if (r == 0)
		r = drop_bounding_set(init);
	if (r == 0)
		r = set_ids(init);
	if (r == 0 && directory_r < 0)
		r = enter_directory(init);
	if (r == 0)
		r = check_directory(init);
	return r < 0 ? r : set_capabilities(init);
}

/* Blocks until somebody reads, which is `start`. */
static int wait_for_start(struct init *init)
{
	OWNED_FD int fd = -EBADF;

	if (init->fifo_fd < 0)
		return 0;
	fd = reopen(init, init->fifo_fd, O_WRONLY);
	if (fd < 0)
		return fail(init, -fd, "exec-fifo", "%s", init->plan.exec_fifo);
	return write(fd, "0", 1) == 1 ? 0 : fail(init, errno, "exec-fifo", "%s", init->plan.exec_fifo);
}

/*
 * The runtime hears "ready", then end of file, or why not. With a FIFO the socket is closed before the wait: the container outlives its runtime.
 * Without one it is closed by exec. A filter that is loaded late may forbid anything, so it is the last thing that is reported.
 */
static int get_ready(struct init *init)
{
	const struct plan_process *process = &init->plan.process;
	char path[32];
	int r = 0;

	(void)snprintf(path, sizeof(path), "self/fd/%d", init->fifo_fd);
	if (init->fifo_fd >= 0 && faccessat(init->proc_fd, path, W_OK, 0) < 0)
		return fail(init, errno, "exec-fifo", "%s", init->plan.exec_fifo);
	report_ready(init);
	if (process->has_seccomp && process->is_no_new_privileges)
		r = load_seccomp(init);
	if (r == 0 && init->fifo_fd >= 0)
		close_fd(&init->sync_fd);
	return r;
}

static int set_privileges(struct init *init)
{
	const struct plan_process *process = &init->plan.process;
	int r;

	(void)umask(process->umask & 0777);
	if (process->is_no_new_privileges && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return fail(init, errno, "no-new-privileges", "process");
	r = set_scheduling(init);
	if (r == 0)
		r = add_variables(init);
	if (r == 0)
		r = arrange_descriptors(init);
	if (r == 0)
		r = set_rlimits(init);
	if (r == 0 && process->has_seccomp && !process->is_no_new_privileges)
		r = load_seccomp(init);
	return r < 0 ? r : become_user(init);
}

int run_process(struct init *init)
{
	const struct plan_process *process = &init->plan.process;
	char path[PATH_MAX];
	int r = set_privileges(init);

	if (r == 0)
		r = find_program(init, path, sizeof(path));
	if (r < 0)
		return r;
	r = get_ready(init);
	if (r == 0)
		r = wait_for_start(init);
	if (r == 0)
		r = run_hooks(init, &init->plan.start_container_hooks, process->cwd);
	if (r < 0)
		return r;
	close_fd(&init->fifo_fd);
	close_fd(&init->proc_fd);
	execve(path, process->args.items, process->env.items);
	return fail(init, errno, "exec", "%s", path);
}
