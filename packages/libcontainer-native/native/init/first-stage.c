/*
 * The first stage: still with the runtime's credentials and namespaces. It joins namespaces, clones init as its sibling (CLONE_PARENT), gives it
 * its user namespace's maps, and ends. Init waits for that at a pipe and goes into the cgroups itself.
 */
#include "../lib/mount-api.h"
#include "init.h"

#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

struct namespace_fd {
	int fd;
	bool is_joined;
};

static const char *namespace_name(uint32_t type)
{
	static const struct { uint32_t type; const char *name; } names[] = {
		{ CLONE_NEWUSER, "user" }, { CLONE_NEWPID, "pid" }, { CLONE_NEWNS, "mount" }, { CLONE_NEWNET, "network" },
		{ CLONE_NEWIPC, "ipc" }, { CLONE_NEWUTS, "uts" }, { CLONE_NEWCGROUP, "cgroup" }, { CLONE_NEWTIME, "time" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i].type == type)
			return names[i].name;
	return "unknown";
}

/* Opened first: after a join of a mount or user namespace the files may be out of sight or reach. Returns an array, closed at exit. */
static int open_cgroups(struct init *init, int **ret_fds)
{
	const struct strings *files = &init->plan.cgroup_procs;
	int *fds = calloc((size_t)files->count + 1, sizeof(*fds));

	if (!fds)
		return fail(init, ENOMEM, "cgroup", "out of memory");
	for (uint32_t i = 0; i < files->count; i++) {
		fds[i] = open(files->items[i], O_WRONLY | O_CLOEXEC);
		if (fds[i] < 0)
			return fail(init, errno, "cgroup", "%s", files->items[i]);
	}
	*ret_fds = fds;
	return 0;
}

/*
 * Init moves itself: "0" stands for the writer. For a single thread that writes to a v1 `tasks` file the kernel takes no global lock, which
 * costs 8 to 30 ms otherwise. The kernel judges by the rights with which the files were opened, so an init in a user namespace may do it.
 */
static int enter_cgroups(struct init *init, const int *fds)
{
	for (uint32_t i = 0; i < init->plan.cgroup_procs.count; i++) {
		ssize_t r = write(fds[i], "0", 1);

		if (r < 0)
			return fail(init, errno, "cgroup", "%s", init->plan.cgroup_procs.items[i]);
	}
	return 0;
}

static void set_oom_score(const struct init *init)
{
	char text[16];
	int r;

	if (!init->plan.has_oom_score_adj)
		return;
	(void)snprintf(text, sizeof(text), "%d", init->plan.oom_score_adj);
	r = write_proc(init, "self/oom_score_adj", text);
	if (r < 0)
		report_warning(init, -r, "oom-score-adj", text);
}

static int open_namespaces(struct init *init, struct namespace_fd **ret_namespaces)
{
	struct namespace_fd *namespaces = calloc((size_t)init->plan.join_count + 1, sizeof(*namespaces));

	if (!namespaces)
		return fail(init, ENOMEM, "setns", "out of memory");
	for (uint32_t i = 0; i < init->plan.join_count; i++) {
		namespaces[i].fd = open(init->plan.joins[i].path, O_RDONLY | O_CLOEXEC);
		if (namespaces[i].fd < 0)
			return fail(init, errno, "setns", "%s", init->plan.joins[i].path);
	}
	*ret_namespaces = namespaces;
	return 0;
}

static bool is_chosen(uint32_t type, uint32_t types, bool is_exact)
{
	return is_exact ? (type & types) != 0 : (type & types) == 0;
}

/* Joins those of the given types (or all others) that are not joined yet. EPERM is left for later when `is_lenient`. */
static int join_some(struct init *init, struct namespace_fd *namespaces, uint32_t types, bool is_exact, bool is_lenient)
{
	for (uint32_t i = 0; i < init->plan.join_count; i++) {
		const struct plan_join *join = &init->plan.joins[i];

		if (namespaces[i].is_joined || !is_chosen(join->type, types, is_exact))
			continue;
		if (setns(namespaces[i].fd, (int)join->type) == 0)
			namespaces[i].is_joined = true;
		else if (errno != EPERM || !is_lenient)
			return fail(init, errno, "setns", "%s namespace \"%s\"", namespace_name(join->type), join->path);
	}
	return 0;
}

/*
 * Namespaces that belong to the host's user namespace must be joined before the container's user namespace is, those that belong to the
 * container's after it; the mount namespace last, because the paths above are the runtime's.
 */
static int join_namespaces(struct init *init)
{
	struct namespace_fd *namespaces = NULL;
	int r = open_namespaces(init, &namespaces);

	if (r == 0)
		r = join_some(init, namespaces, CLONE_NEWUSER | CLONE_NEWNS, false, true);
	if (r == 0)
		r = join_some(init, namespaces, CLONE_NEWUSER, true, false);
	if (r == 0)
		r = join_some(init, namespaces, CLONE_NEWNS, false, false);
	if (r == 0)
		r = join_some(init, namespaces, CLONE_NEWNS, true, false);
	if (r < 0)
		return r;
	for (uint32_t i = 0; i < init->plan.join_count; i++)
		close_fd(&namespaces[i].fd);
	if (init->plan.has_pidfd && setns(FIRST_INHERITED_FD + (int)init->plan.pidfd_index, (int)init->plan.pidfd_flags) < 0)
		return fail(init, errno, "setns", "process");
	return 0;
}

static bool is_joining(const struct plan *plan, uint32_t type)
{
	if (plan->has_pidfd && (plan->pidfd_flags & type))
		return true;
	for (uint32_t i = 0; i < plan->join_count; i++)
		if (plan->joins[i].type == type)
			return true;
	return false;
}

static int add_time_offset(char *text, size_t capacity, const char *clock, const struct plan_time_offset *offset)
{
	return offset->is_present ? snprintf(text, capacity, "%s %lld %u\n", clock, (long long)offset->secs, offset->nanosecs) : 0;
}

/* The namespace is made for the children of this stage; its offsets can be set until the first one enters. */
static int create_time_namespace(struct init *init)
{
	char text[128] = "";
	int size, r;

	if (unshare(CLONE_NEWTIME) < 0)
		return fail(init, errno, "unshare", "time");
	size = add_time_offset(text, sizeof(text), "monotonic", &init->plan.monotonic);
	(void)add_time_offset(text + size, sizeof(text) - (size_t)size, "boottime", &init->plan.boottime);
	if (text[0] == 0)
		return 0;
	r = write_proc(init, "self/timens_offsets", text);
	return r < 0 ? fail(init, -r, "time-offsets", "%s", text) : 0;
}

/* In a user namespace the sources of binds may be out of init's reach: they are opened here. */
static int open_bind_sources(struct init *init)
{
	for (uint32_t i = 0; i < init->plan.mount_count; i++) {
		struct plan_mount *mount = &init->plan.mounts[i];
		int r;

		if (!(mount->flags & MS_BIND))
			continue;
		r = open_bind_source(init, mount->source ? mount->source : "", mount->flags, &mount->source_fd);
		if (r < 0)
			return r;
	}
	return 0;
}

static int write_child_file(struct init *init, pid_t pid, const char *name, const char *text)
{
	char path[64];
	int r;

	(void)snprintf(path, sizeof(path), "%d/%s", pid, name);
	r = write_proc(init, path, text);
	return r < 0 ? fail(init, -r, "user-mappings", "%s", name) : 0;
}

static int write_mappings(struct init *init, pid_t pid)
{
	int r = 0;

	if (!init->plan.has_mappings)
		return 0;
	if (init->plan.is_setgroups_denied)
		r = write_child_file(init, pid, "setgroups", "deny");
	if (r == 0)
		r = write_child_file(init, pid, "gid_map", init->plan.gid_map);
	return r < 0 ? r : write_child_file(init, pid, "uid_map", init->plan.uid_map);
}

/* Whoever has a user namespace of its own begins as its root, if it has one. */
static int become_root(struct init *init)
{
	if (setresgid(0, 0, 0) < 0 && errno != EINVAL)
		return fail(init, errno, "setgid", "0");
	if (setresuid(0, 0, 0) < 0 && errno != EINVAL)
		return fail(init, errno, "setuid", "0");
	return 0;
}

/* Init's first steps: to wait until the first stage has done its part. Its failure was reported by it, so there is nothing to say here. */
static int start_as_init(struct init *init, const int *cgroup_fds, int go_fd)
{
	char go;
	ssize_t size;
	int r;

	do {
		size = read(go_fd, &go, 1);
	} while (size < 0 && errno == EINTR);
	if (size != 1)
		_exit(1);
	r = enter_cgroups(init, cgroup_fds);
	if (r < 0)
		return r;
	if (setsid() < 0)
		return fail(init, errno, "setsid", "init");
	return init->is_in_user_namespace ? become_root(init) : 0;
}

static void finish_first_stage(struct init *init, pid_t pid, int go_fd)
{
	int r;

	report_pid(init, (uint32_t)pid);
	r = write_mappings(init, pid);
	if (r == 0 && write(go_fd, "g", 1) != 1)
		r = fail(init, errno, "clone", "init has ended");
	if (r < 0)
		report_failure(init, -r);
	_exit(r < 0 ? 1 : 0);
}

static int clone_init(struct init *init, const int *cgroup_fds)
{
	const uint32_t flags = (init->plan.create_flags & ~(uint32_t)(CLONE_NEWCGROUP | CLONE_NEWTIME)) | CLONE_PARENT | SIGCHLD;
	int go[2];
	long pid;
	int r;

	if (pipe2(go, O_CLOEXEC) < 0)
		return fail(init, errno, "pipe", "go");
	pid = syscall(SYS_clone, (unsigned long)flags, 0, 0, 0, 0);
	if (pid < 0)
		return fail(init, errno, "clone", "0x%x", flags);
	if (pid > 0) {
		(void)close(go[0]);
		finish_first_stage(init, (pid_t)pid, go[1]);
	}
	(void)close(go[1]);
	r = start_as_init(init, cgroup_fds, go[0]);
	(void)close(go[0]);
	for (uint32_t i = 0; i < init->plan.cgroup_procs.count; i++)
		(void)close(cgroup_fds[i]);
	return r;
}

int run_first_stage(struct init *init)
{
	const struct plan *plan = &init->plan;
	int *cgroup_fds = NULL;
	int r = open_cgroups(init, &cgroup_fds);

	if (r < 0)
		return r;
	set_oom_score(init);
	init->is_in_user_namespace = (plan->create_flags & CLONE_NEWUSER) || is_joining(plan, CLONE_NEWUSER);
	if (init->is_in_user_namespace) {
		raise_hard_limits(init);
		r = open_bind_sources(init);
	}
	if (r == 0)
		r = join_namespaces(init);
	if (r == 0 && (plan->create_flags & CLONE_NEWTIME))
		r = create_time_namespace(init);
	return r < 0 ? r : clone_init(init, cgroup_fds);
}
