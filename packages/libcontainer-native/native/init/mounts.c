/* The mounts of a container, each attached to a descriptor of its target. */
#include "../lib/mount-api.h"
#include "init.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { PROC_PATH_BYTES = 32 };

static const uint32_t PROPAGATION_FLAGS = MS_SHARED | MS_SLAVE | MS_PRIVATE | MS_UNBINDABLE;
static const uint32_t ATIME_FLAGS = MS_NOATIME | MS_RELATIME | MS_STRICTATIME | MS_NODIRATIME;
static const uint32_t BIND_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOSYMFOLLOW;

int set_mount_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool is_recursive)
{
	struct mount_attr attributes = { .attr_set = set, .attr_clr = clear, .propagation = propagation };
	unsigned int flags = AT_EMPTY_PATH | (is_recursive ? AT_RECURSIVE : 0);

	return syscall(SYS_mount_setattr, fd, "", flags, &attributes, sizeof(attributes)) < 0 ? -errno : 0;
}

int attach_mount(int fd, int target_fd)
{
	return syscall(SYS_move_mount, fd, "", target_fd, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0 ? -errno : 0;
}

int bind_descriptor(int fd, int target_fd)
{
	OWNED_FD int copy_fd = call_open_tree(fd, "", OPEN_TREE_CLONE | AT_EMPTY_PATH);

	return copy_fd < 0 ? -errno : attach_mount(copy_fd, target_fd);
}

int open_bind_source(struct init *init, const char *source, uint32_t flags, int *ret_fd)
{
	unsigned int how = OPEN_TREE_CLONE | ((flags & MS_REC) ? AT_RECURSIVE : 0);
	int fd = call_open_tree(AT_FDCWD, source, how);

	if (fd < 0)
		return fail(init, errno, "mount-source", "%s", source);
	*ret_fd = fd;
	return 0;
}

/* MS_* as MOUNT_ATTR_*. */
static uint64_t attributes_of(uint32_t flags)
{
	uint64_t attributes = 0;

	attributes |= (flags & MS_RDONLY) ? MOUNT_ATTR_RDONLY : 0;
	attributes |= (flags & MS_NOSUID) ? MOUNT_ATTR_NOSUID : 0;
	attributes |= (flags & MS_NODEV) ? MOUNT_ATTR_NODEV : 0;
	attributes |= (flags & MS_NOEXEC) ? MOUNT_ATTR_NOEXEC : 0;
	attributes |= (flags & MS_NODIRATIME) ? MOUNT_ATTR_NODIRATIME : 0;
	attributes |= (flags & MS_NOSYMFOLLOW) ? MOUNT_ATTR_NOSYMFOLLOW : 0;
	attributes |= (flags & MS_NOATIME) ? MOUNT_ATTR_NOATIME : 0;
	attributes |= (flags & MS_STRICTATIME) ? MOUNT_ATTR_STRICTATIME : 0;
	return attributes;
}

/*
 * The flags of a bind, as a bind remount would set them: those given are set, the others of the same kind are cleared. A flag that is locked by the
 * owner of the mount stays, unless the user has cleared it by name, which then is an error. Access times stay as they are unless named.
 */
static int set_bind_flags(int tree_fd, const struct plan_mount *op)
{
	uint64_t set = attributes_of(op->flags & (BIND_FLAGS | ATIME_FLAGS));
	uint64_t cleared_by_name = attributes_of(op->clear_flags & BIND_FLAGS) & ~set;
	uint64_t clear_atime = (op->flags & ATIME_FLAGS) ? MOUNT_ATTR__ATIME | MOUNT_ATTR_NODIRATIME : 0;
	int r;

	if (!((op->flags | op->clear_flags) & (BIND_FLAGS | ATIME_FLAGS)))
		return 0;
	r = set_mount_attributes(tree_fd, set, (attributes_of(BIND_FLAGS) | clear_atime) & ~(set & ~(uint64_t)MOUNT_ATTR__ATIME), 0, false);
	if (r != -EPERM)
		return r;
	return set_mount_attributes(tree_fd, set, cleared_by_name | (set & MOUNT_ATTR__ATIME ? MOUNT_ATTR__ATIME : 0), 0, false);
}

/* What comes after the mount is in place; `fd` stands for it. */
static int finish_mount(int fd, const struct plan_mount *op)
{
	int r = 0;

	for (uint32_t i = 0; r == 0 && i < op->propagation_count; i++)
		r = set_mount_attributes(fd, 0, 0, op->propagation[i] & PROPAGATION_FLAGS, (op->propagation[i] & MS_REC) != 0);
	if (r == 0 && (op->recursive_set || op->recursive_clear))
		r = set_mount_attributes(fd, op->recursive_set, op->recursive_clear, 0, true);
	return r;
}

static bool needs_finish(const struct plan_mount *op)
{
	return op->propagation_count || op->recursive_set || op->recursive_clear;
}

static bool is_directory(int fd)
{
	struct stat state;

	return fstat(fd, &state) == 0 && S_ISDIR(state.st_mode);
}

static bool wants_directory(const struct plan_mount *op, bool is_default)
{
	if (op->create_target == TARGET_AUTO)
		return is_default;
	return op->create_target == TARGET_DIRECTORY;
}

static int fail_mount(struct init *init, int error, const char *source, const struct plan_mount *op)
{
	return fail(init, error, "mount", "%s\n%s", source ? source : "", op->target);
}

/* The detail of a failed mount is two lines: source and target. */
static int make_bind(struct init *init, struct plan_mount *op, const char *source)
{
	OWNED_FD int tree_fd = op->source_fd;
	OWNED_FD int target_fd = -EBADF;
	int r = 0;

	if (tree_fd < 0) {
		r = open_bind_source(init, source, op->flags | MS_BIND, &tree_fd);
		if (r < 0)
			return r;
	} else {
		/* Copied in the host's mount namespace: what is mounted here must not appear there. */
		r = set_mount_attributes(tree_fd, 0, 0, MS_SLAVE, true);
	}
	op->source_fd = -EBADF;
	if (r == 0)
		r = open_target(init->root_fd, op->target, wants_directory(op, is_directory(tree_fd)), op->create_target != TARGET_NEVER, 0, &target_fd);
	if (r < 0)
		return fail(init, -r, "mount-target", "%s\n%s", source, op->target);
	r = set_bind_flags(tree_fd, op);
	if (r == 0)
		r = attach_mount(tree_fd, target_fd);
	if (r == 0)
		r = finish_mount(tree_fd, op);
	return r < 0 ? fail_mount(init, -r, source, op) : 0;
}

/* proc and sysfs at a link's end would be where everybody could be led to believe that they are somewhere else. */
static uint64_t target_resolution(const struct plan_mount *op)
{
	bool is_kernel_state = op->fstype && (strcmp(op->fstype, "proc") == 0 || strcmp(op->fstype, "sysfs") == 0);

	return is_kernel_state ? RESOLVE_NO_SYMLINKS : 0;
}

static bool is_tmpfs(const struct plan_mount *op)
{
	return op->fstype && strcmp(op->fstype, "tmpfs") == 0;
}

/* Whether "mode" is among the comma-separated options. */
static bool has_mode(const char *data)
{
	while (data) {
		if (strncmp(data, "mode=", 5) == 0)
			return true;
		data = strchr(data, ',');
		data = data ? data + 1 : NULL;
	}
	return false;
}

/* Whether the rootfs has something at the target already. */
static bool has_target(const struct init *init, const struct plan_mount *op)
{
	OWNED_FD int fd = -EBADF;

	return open_in_root(init->root_fd, op->target, O_PATH, target_resolution(op), &fd) == 0;
}

/*
 * A tmpfs without a mode gets that of the directory it covers; over one that was made just now it keeps the kernel's 1777. Returns `buffer`, or the
 * plan's own data.
 */
static const char *mount_data(const struct plan_mount *op, int target_fd, bool is_covering, char *buffer, size_t capacity)
{
	struct stat state;
	const char *data = op->data;

	if (!is_covering || fstat(target_fd, &state) < 0)
		return data;
	(void)snprintf(buffer, capacity, "%s%smode=%o", data ? data : "", data && *data ? "," : "", state.st_mode & 07777);
	return buffer;
}

/* Copies the covered directory, which `target_fd` still leads to, into the mount. */
static int copy_up(int target_fd, int mount_fd)
{
	OWNED_FD int from_fd = openat(target_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	OWNED_FD int to_fd = openat(mount_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return from_fd < 0 || to_fd < 0 ? -errno : copy_tree(from_fd, to_fd);
}

static int mount_filesystem(const struct plan_mount *op, int target_fd, bool is_covering)
{
	char path[PROC_PATH_BYTES], data[4096];
	unsigned long flags = op->flags & ~(PROPAGATION_FLAGS | MS_REC | MS_BIND);
	const char *source = op->source ? op->source : op->fstype;

	if (op->is_readonly_late)
		flags &= ~(unsigned long)MS_RDONLY;
	(void)snprintf(path, sizeof(path), "/proc/self/fd/%d", target_fd);
	return mount(source, path, op->fstype, flags, mount_data(op, target_fd, is_covering, data, sizeof(data))) < 0 ? -errno : 0;
}

/* After a mount: the descriptor of the mount itself, for what can only be done to it. */
static int finish_filesystem(struct init *init, const struct plan_mount *op, int target_fd)
{
	OWNED_FD int mount_fd = -EBADF;
	int r;

	if (!needs_finish(op) && !op->is_copy_up)
		return 0;
	r = open_in_root(init->root_fd, op->target, O_PATH, target_resolution(op), &mount_fd);
	if (r == 0 && op->is_copy_up)
		r = copy_up(target_fd, mount_fd);
	return r < 0 ? r : finish_mount(mount_fd, op);
}

int make_mount(struct init *init, struct plan_mount *op)
{
	OWNED_FD int target_fd = -EBADF;
	bool is_covering;
	int r;

	if (op->flags & MS_BIND)
		return make_bind(init, op, op->source ? op->source : "");
	is_covering = is_tmpfs(op) && !has_mode(op->data) && has_target(init, op);
	r = open_target(init->root_fd, op->target, wants_directory(op, true), op->create_target != TARGET_NEVER, target_resolution(op), &target_fd);
	if (r < 0)
		return fail(init, -r, "mount-target", "%s\n%s", op->source ? op->source : "", op->target);
	r = (op->flags & MS_REMOUNT) ? -ENOTSUP : mount_filesystem(op, target_fd, is_covering);
	if ((r == -EPERM || r == -EBUSY) && op->fallback_bind)
		return make_bind(init, op, op->fallback_bind);
	if (r == 0)
		r = finish_filesystem(init, op, target_fd);
	return r < 0 ? fail_mount(init, -r, op->source, op) : 0;
}
