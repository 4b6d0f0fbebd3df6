/* The container's file system: from a copy of the host's mounts to a root of its own. */
#include "../lib/mount-api.h"
#include "init.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* pivot_root refuses a root whose parent mount is shared: the mount that holds the rootfs is made private. */
static int make_parent_private(struct init *init)
{
	char path[PATH_MAX];

	if (snprintf(path, sizeof(path), "%s", init->plan.rootfs) >= (int)sizeof(path))
		return fail(init, ENAMETOOLONG, "rootfs", "%s", init->plan.rootfs);
	while (mount(NULL, path, NULL, MS_PRIVATE, NULL) < 0) {
		char *slash = strrchr(path, '/');

		if (errno != EINVAL || !slash || strcmp(path, "/") == 0)
			return fail(init, errno, "rootfs", "parent mount of %s", init->plan.rootfs);
		slash[slash == path ? 1 : 0] = 0;
	}
	return 0;
}

static int isolate_rootfs(struct init *init)
{
	const struct plan *plan = &init->plan;

	if (mount(NULL, "/", NULL, plan->propagation, NULL) < 0)
		return fail(init, errno, "propagation", "/");
	if (plan->propagation & (MS_SHARED | MS_UNBINDABLE)) {
		int r = make_parent_private(init);

		if (r < 0)
			return r;
	}
	if (mount(plan->rootfs, plan->rootfs, NULL, MS_BIND | MS_REC, NULL) < 0)
		return fail(init, errno, "rootfs", "%s", plan->rootfs);
	return 0;
}

int prepare_rootfs(struct init *init)
{
	struct plan *plan = &init->plan;
	int r = (plan->create_flags & CLONE_NEWNS) ? isolate_rootfs(init) : 0;

	if (r < 0)
		return r;
	init->root_fd = open(plan->rootfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (init->root_fd < 0)
		return fail(init, errno, "rootfs", "%s", plan->rootfs);
	(void)umask(0);
	for (uint32_t i = 0; i < plan->mount_count; i++) {
		r = make_mount(init, &plan->mounts[i]);
		if (r < 0)
			return r;
	}
	r = make_devices(init);
	return r < 0 ? r : make_links(init);
}

/* The old root is stacked under the new one, made to keep unmounts to itself, and let go. */
static int pivot(struct init *init)
{
	OWNED_FD int old_root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (old_root_fd < 0 || fchdir(init->root_fd) < 0 || syscall(SYS_pivot_root, ".", ".") < 0)
		return fail(init, errno, "pivot_root", "%s", init->plan.rootfs);
	if (fchdir(old_root_fd) < 0 || mount(NULL, ".", NULL, MS_SLAVE | MS_REC, NULL) < 0 || umount2(".", MNT_DETACH) < 0)
		return fail(init, errno, "pivot_root", "old root");
	return 0;
}

static int move_root(struct init *init)
{
	if (fchdir(init->root_fd) < 0 || mount(".", "/", NULL, MS_MOVE, NULL) < 0 || chroot(".") < 0)
		return fail(init, errno, "move-root", "%s", init->plan.rootfs);
	return 0;
}

static int change_root(struct init *init)
{
	if (fchdir(init->root_fd) < 0 || chroot(".") < 0)
		return fail(init, errno, "chroot", "%s", init->plan.rootfs);
	return 0;
}

static int leave_old_root(struct init *init)
{
	switch (init->plan.pivot) {
	case PIVOT_MOVE:
		return move_root(init);
	case PIVOT_CHROOT:
		return change_root(init);
	default:
		return pivot(init);
	}
}

int enter_rootfs(struct init *init)
{
	int r;

	if (init->plan.has_rootfs) {
		r = leave_old_root(init);
		if (r < 0)
			return r;
		if (chdir("/") < 0)
			return fail(init, errno, "chdir", "/");
		if (init->plan.propagation_after_pivot && mount(NULL, "/", NULL, init->plan.propagation_after_pivot, NULL) < 0)
			return fail(init, errno, "propagation", "/");
	}
	close_fd(&init->root_fd);
	init->root_fd = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (init->root_fd < 0)
		return fail(init, errno, "rootfs", "/");
	if (init->plan.kind == PLAN_EXEC)
		return 0;
	r = make_directories(init->root_fd, init->plan.process.cwd, 0755);
	return r < 0 ? fail(init, -r, "cwd", "%s", init->plan.process.cwd) : 0;
}

int make_readonly(struct init *init)
{
	const struct plan *plan = &init->plan;
	int r;

	for (uint32_t i = 0; i < plan->mount_count; i++) {
		OWNED_FD int fd = -EBADF;

		if (!plan->mounts[i].is_readonly_late)
			continue;
		r = open_in_root(init->root_fd, plan->mounts[i].target, O_PATH, 0, &fd);
		if (r == 0)
			r = set_mount_attributes(fd, MOUNT_ATTR_RDONLY, 0, 0, false);
		if (r < 0)
			return fail(init, -r, "readonly", "%s", plan->mounts[i].target);
	}
	if (!plan->is_rootfs_readonly)
		return 0;
	r = set_mount_attributes(init->root_fd, MOUNT_ATTR_RDONLY, 0, 0, false);
	return r < 0 ? fail(init, -r, "readonly", "/") : 0;
}

static int protect_readonly(struct init *init, const char *path)
{
	OWNED_FD int target_fd = -EBADF;
	OWNED_FD int tree_fd = -EBADF;
	int r = open_in_root(init->root_fd, path, O_PATH, 0, &target_fd);

	if (r == -ENOENT)
		return 0;
	if (r == 0) {
		tree_fd = call_open_tree(target_fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH | AT_RECURSIVE);
		r = tree_fd < 0 ? -errno : 0;
	}
	if (r == 0)
		r = set_mount_attributes(tree_fd, MOUNT_ATTR_RDONLY, 0, 0, false);
	if (r == 0)
		r = attach_mount(tree_fd, target_fd);
	return r < 0 ? fail(init, -r, "readonly-path", "%s", path) : 0;
}

/* The container's own null device, if it is one: a link or file in its place would put something else over the masked path. */
static int open_null(struct init *init, int *ret_fd)
{
	OWNED_FD int fd = -EBADF;
	int r = open_in_root(init->root_fd, "/dev/null", O_PATH, RESOLVE_NO_SYMLINKS, &fd);

	if (r == 0 && !is_device(fd, 1, 3))
		r = -ENODEV;
	if (r < 0)
		return fail(init, -r, "masked-path", "/dev/null is not the null device");
	*ret_fd = take_fd(&fd);
	return 0;
}

/* A tmpfs, not attached yet, that has no room for anything. Returns a descriptor or -errno. */
static int make_empty_filesystem(void)
{
	OWNED_FD int context_fd = call_fsopen("tmpfs");
	int fd;

	if (context_fd < 0 || call_fsconfig(context_fd, FSCONFIG_SET_STRING, "source", "tmpfs") < 0 ||
	    call_fsconfig(context_fd, FSCONFIG_SET_STRING, "nr_blocks", "1") < 0 ||
	    call_fsconfig(context_fd, FSCONFIG_SET_STRING, "nr_inodes", "1") < 0 || call_fsconfig(context_fd, FSCONFIG_CMD_CREATE, NULL, NULL) < 0)
		return -errno;
	fd = call_fsmount(context_fd, MOUNT_ATTR_RDONLY);
	return fd < 0 ? -errno : fd;
}

/* The first masked directory gets an empty file system, the others get the same one; `*shared_fd` keeps it. */
static int mask_directory(int target_fd, int *shared_fd)
{
	OWNED_FD int fd = -EBADF;
	int r;

	if (*shared_fd >= 0)
		return bind_descriptor(*shared_fd, target_fd);
	fd = make_empty_filesystem();
	if (fd < 0)
		return fd;
	r = attach_mount(fd, target_fd);
	if (r == 0)
		*shared_fd = take_fd(&fd);
	return r;
}

static int mask_file(struct init *init, int target_fd, int *null_fd)
{
	int r = *null_fd >= 0 ? 0 : open_null(init, null_fd);

	return r < 0 ? r : bind_descriptor(*null_fd, target_fd);
}

static int mask_path(struct init *init, const char *path, int *shared_fd, int *null_fd)
{
	struct stat state;
	OWNED_FD int target_fd = -EBADF;
	int r = open_in_root(init->root_fd, path, O_PATH, 0, &target_fd);

	if (r == -ENOENT)
		return 0;
	if (r == 0 && fstat(target_fd, &state) < 0)
		r = -errno;
	if (r < 0)
		return fail(init, -r, "masked-path", "%s", path);
	r = S_ISDIR(state.st_mode) ? mask_directory(target_fd, shared_fd) : mask_file(init, target_fd, null_fd);
	return r < 0 && !init->step ? fail(init, -r, "masked-path", "%s", path) : r;
}

int protect_paths(struct init *init)
{
	const struct plan *plan = &init->plan;
	OWNED_FD int shared_fd = -EBADF;
	OWNED_FD int null_fd = -EBADF;
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < plan->readonly_paths.count; i++)
		r = protect_readonly(init, plan->readonly_paths.items[i]);
	for (uint32_t i = 0; r == 0 && i < plan->masked_paths.count; i++)
		r = mask_path(init, plan->masked_paths.items[i], &shared_fd, &null_fd);
	return r;
}
