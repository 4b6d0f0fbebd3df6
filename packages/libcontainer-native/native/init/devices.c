/* Device nodes and symbolic links, made in their verified directory. */
#include "init.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

static mode_t device_type(const struct plan_device *device)
{
	switch (device->type) {
	case 'b':
		return S_IFBLK;
	case 'p':
		return S_IFIFO;
	default:
		return S_IFCHR;
	}
}

static bool is_same_device(const struct plan_device *device, const struct stat *state)
{
	if ((state->st_mode & S_IFMT) != device_type(device))
		return false;
	return device->type == 'p' || state->st_rdev == makedev(device->major, device->minor);
}

/* The host's device over a file of that name. */
static int bind_device(const struct init *init, const struct plan_device *device, const char *source)
{
	struct stat state;
	OWNED_FD int source_fd = open(source, O_PATH | O_CLOEXEC);
	OWNED_FD int target_fd = -EBADF;
	int r;

	if (source_fd < 0 || fstat(source_fd, &state) < 0)
		return -errno;
	if (!is_same_device(device, &state))
		return -ENODEV;
	r = open_target(init->root_fd, device->path, false, true, 0, &target_fd);
	return r < 0 ? r : bind_descriptor(source_fd, target_fd);
}

static int make_node(const struct plan_device *device, int parent_fd, const char *name)
{
	struct stat state;

	if (mknodat(parent_fd, name, device_type(device) | (device->mode & 07777), makedev(device->major, device->minor)) < 0) {
		if (errno != EEXIST)
			return -errno;
		if (fstatat(parent_fd, name, &state, AT_SYMLINK_NOFOLLOW) < 0)
			return -errno;
		if (!is_same_device(device, &state))
			return -EEXIST;
		if (fchmodat(parent_fd, name, device->mode & 07777, 0) < 0)
			return -errno;
	} else if (device->uid == 0 && device->gid == 0) {
		return 0;
	}
	return fchownat(parent_fd, name, device->uid, device->gid, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int make_device(const struct init *init, const struct plan_device *device)
{
	OWNED_FD int parent_fd = -EBADF;
	const char *name;
	int r;

	if (device->bind_from)
		return bind_device(init, device, device->bind_from);
	r = open_parent(init->root_fd, device->path, &parent_fd, &name);
	if (r == 0)
		r = make_node(device, parent_fd, name);
	/* Not allowed to make devices (a user namespace around everything): the host's own serves as well, and is verified. */
	return r == -EPERM ? bind_device(init, device, device->path) : r;
}

int make_devices(struct init *init)
{
	for (uint32_t i = 0; i < init->plan.device_count; i++) {
		int r = make_device(init, &init->plan.devices[i]);

		if (r < 0)
			return fail(init, -r, "device", "%s", init->plan.devices[i].path);
	}
	return 0;
}

static int make_link(const struct init *init, const struct plan_pair *link)
{
	OWNED_FD int parent_fd = -EBADF;
	const char *name;
	int r = open_parent(init->root_fd, link->name, &parent_fd, &name);

	if (r < 0)
		return r;
	if (strcmp(link->name, "/dev/ptmx") == 0)
		(void)unlinkat(parent_fd, name, 0);
	if (symlinkat(link->value, parent_fd, name) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int make_links(struct init *init)
{
	for (uint32_t i = 0; i < init->plan.link_count; i++) {
		int r = make_link(init, &init->plan.links[i]);

		if (r < 0)
			return fail(init, -r, "link", "%s", init->plan.links[i].name);
	}
	return 0;
}
