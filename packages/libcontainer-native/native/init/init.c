/*
 * dray-init: carries out one plan. It is started with descriptor 3 as the socket to the runtime, descriptor 4 as the plan, then the descriptors
 * that the plan counts. It need not be a direct child of the runtime: init becomes a child of whoever started dray-init.
 */
#include "../main.h"
#include "init.h"

#include <fcntl.h>
#include <linux/close_range.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* Reads everything from `fd`; returns 0 or -errno. */
static int read_all(int fd, uint8_t **ret_bytes, size_t *ret_size)
{
	struct stat state;
	uint8_t *bytes;
	size_t size = 0;

	if (fstat(fd, &state) < 0)
		return -errno;
	if (state.st_size <= 0 || state.st_size > PLAN_BYTES_MAX)
		return -EFBIG;
	bytes = malloc((size_t)state.st_size);
	if (!bytes)
		return -ENOMEM;
	while (size < (size_t)state.st_size) {
		ssize_t r = pread(fd, bytes + size, (size_t)state.st_size - size, (off_t)size);

		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0) {
			int error = r < 0 ? errno : EIO;

			free(bytes);
			return -error;
		}
		size += (size_t)r;
	}
	*ret_bytes = bytes;
	*ret_size = size;
	return 0;
}

static int load_plan(struct init *init, int fd)
{
	uint8_t *bytes = NULL;
	size_t size = 0;
	int r = read_all(fd, &bytes, &size);

	if (r < 0)
		return fail(init, -r, "plan", "cannot read plan");
	r = plan_decode(bytes, size, &init->plan);
	return r < 0 ? fail(init, -r, "plan", "plan is malformed or unsafe") : 0;
}

/* Nothing that the parent leaked goes further, and what goes further is counted. */
static int close_others(struct init *init)
{
	unsigned int first = FIRST_INHERITED_FD + init->plan.inherited_count + init->plan.preserved_count;

	if (syscall(SYS_close_range, first, ~0U, 0) < 0)
		return fail(init, errno, "close_range", "%u", first);
	if (first > SYNC_FD && syscall(SYS_close_range, SYNC_FD, first - 1, CLOSE_RANGE_CLOEXEC) < 0)
		return fail(init, errno, "close_range", "%d", SYNC_FD);
	return 0;
}

/* Opened while the runtime's paths are still in sight. */
static int open_early(struct init *init)
{
	int r = open_proc(&init->proc_fd);

	if (r < 0)
		return fail(init, -r, "procfs", "/proc");
	if (init->plan.exec_fifo) {
		init->fifo_fd = open(init->plan.exec_fifo, O_PATH | O_CLOEXEC | O_NOFOLLOW);
		if (init->fifo_fd < 0)
			return fail(init, errno, "exec-fifo", "%s", init->plan.exec_fifo);
	}
	return init->plan.has_console ? connect_console(init) : 0;
}

static int set_up_namespaces(struct init *init)
{
	int r = join_session_keyring(init);

	if (r < 0)
		return r;
	if ((init->plan.create_flags & CLONE_NEWCGROUP) && unshare(CLONE_NEWCGROUP) < 0)
		return fail(init, errno, "unshare", "cgroup");
	return init->plan.is_loopback_up ? bring_loopback_up(init) : 0;
}

/* From the clone to what only the process itself can do. */
static int run_init(struct init *init)
{
	int r = set_up_namespaces(init);

	if (r == 0 && init->plan.has_rootfs)
		r = prepare_rootfs(init);
	if (r == 0 && init->plan.is_hooks_wanted)
		r = report_hooks(init);
	if (r == 0)
		r = run_hooks(init, &init->plan.create_container_hooks, init->plan.has_rootfs ? init->plan.rootfs : "/");
	if (r == 0)
		r = enter_rootfs(init);
	if (r == 0)
		r = clean_stdio(init);
	if (r == 0 && init->plan.has_console)
		r = set_up_console(init);
	if (r == 0)
		r = make_readonly(init);
	if (r == 0)
		r = set_names(init);
	if (r == 0)
		r = write_lsm_label(init);
	if (r == 0)
		r = write_sysctls(init);
	if (r == 0)
		r = protect_paths(init);
	return r < 0 ? r : run_process(init);
}

/* Decodes a copy that is exactly as large as the plan, so that a sanitizer sees what reads beyond it. */
static char check_one(const uint8_t *bytes, size_t size)
{
	struct plan plan;
	uint8_t *copy = malloc(size ? size : 1);
	int r;

	if (!copy)
		return '?';
	memcpy(copy, bytes, size);
	r = plan_decode(copy, size, &plan);
	free(copy);
	return r < 0 ? '1' : '0';
}

/*
 * `dray-init --check`: standard input is a file of plans, each after its size as u32. Nothing is carried out; for each plan a '0' is printed, or
 * a '1' when it is refused. It serves the tests, and whoever wants to know whether two versions fit.
 */
static int check_only(void)
{
	uint8_t *bytes = NULL;
	size_t size = 0, at = 0;

	if (read_all(STDIN_FILENO, &bytes, &size) < 0)
		return 1;
	while (size - at >= sizeof(uint32_t)) {
		uint32_t plan_size;

		memcpy(&plan_size, bytes + at, sizeof(plan_size));
		at += sizeof(plan_size);
		if (plan_size > size - at)
			return 1;
		(void)putchar(check_one(bytes + at, plan_size));
		at += plan_size;
	}
	return fflush(stdout) == 0 && at == size ? 0 : 1;
}

int dray_init_main(int argc, char **argv)
{
	static struct init init = { .sync_fd = SYNC_FD, .proc_fd = -EBADF, .fifo_fd = -EBADF, .console_fd = -EBADF, .root_fd = -EBADF };
	int r;

	if (argc == 2 && strcmp(argv[1], "--check") == 0)
		return check_only();
	/* Nobody who shares our namespaces later may look into this process before it is the container's own program. */
	(void)prctl(PR_SET_DUMPABLE, 0);
	(void)prctl(PR_SET_NAME, "dray-init");
	if (fcntl(SYNC_FD, F_GETFD) < 0 || fcntl(PLAN_FD, F_GETFD) < 0) {
		fprintf(stderr, "dray-init: started without a plan; it is meant to be started by a runtime\n");
		return 1;
	}
	r = load_plan(&init, PLAN_FD);
	if (r == 0)
		r = close_others(&init);
	if (r == 0)
		r = open_early(&init);
	(void)close(PLAN_FD);
	if (r == 0)
		r = run_first_stage(&init);
	if (r == 0)
		r = run_init(&init);
	report_failure(&init, -r);
	_exit(1);
}
