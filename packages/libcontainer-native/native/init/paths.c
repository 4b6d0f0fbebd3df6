/*
 * Paths inside the rootfs. The container, or another one that shares a volume, may exchange any part of a path at any moment, so each path is
 * resolved by the kernel with the rootfs as its root, and what was opened is used by its descriptor.
 */
#include "init.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>

enum { ATTEMPTS_MAX = 128, LINKS_MAX = 40 };

int open_in_root(int root_fd, const char *path, uint64_t flags, uint64_t resolve, int *ret_fd)
{
	struct open_how how = { .flags = flags | O_CLOEXEC, .resolve = RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS | resolve };
	long fd = -1;

	if (flags & O_CREAT)
		how.mode = 0644;
	/* EAGAIN: something was renamed meanwhile, so that the kernel cannot say whether the path stayed inside. */
	for (int attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
		fd = syscall(SYS_openat2, root_fd, path, &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	if (fd < 0)
		return -errno;
	*ret_fd = (int)fd;
	return 0;
}

/* Cuts a path into the directory part, which is written to `directory`, and the name. Slashes at the end do not count. */
static int split_path(const char *path, char *directory, size_t capacity, const char **ret_name)
{
	size_t end = strlen(path), start;

	while (end > 0 && path[end - 1] == '/')
		end--;
	start = end;
	while (start > 0 && path[start - 1] != '/')
		start--;
	if (end == start)
		return -EBUSY; /* the root itself */
	if (start >= capacity)
		return -ENAMETOOLONG;
	memcpy(directory, path, start);
	directory[start] = 0;
	if (start == 0)
		(void)snprintf(directory, capacity, "/");
	*ret_name = path + start;
	return 0;
}

/* Where a dangling link leads: `path` becomes what the link says, seen from the link's own directory. */
static int follow_link(int parent_fd, const char *name, char *path, const char *directory)
{
	char target[PATH_MAX], joined[PATH_MAX * 2];
	ssize_t size = readlinkat(parent_fd, name, target, sizeof(target) - 1);
	int length;

	if (size < 0)
		return -errno;
	target[size] = 0;
	length = snprintf(joined, sizeof(joined), "%s%s", target[0] == '/' ? "" : directory, target);
	if (length < 0 || length >= PATH_MAX)
		return -ENAMETOOLONG;
	memcpy(path, joined, (size_t)length + 1);
	return 0;
}

static int make_directories_limited(int root_fd, const char *path, unsigned int mode, int links_left);

/* Makes one directory whose parents exist. What exists already is fine; a dangling link is followed, as mkdir -p inside the rootfs would. */
static int make_directory(int root_fd, char *path, unsigned int mode, int links_left)
{
	char directory[PATH_MAX];
	char copy[NAME_MAX + 1];
	OWNED_FD int parent_fd = -EBADF;
	OWNED_FD int made_fd = -EBADF;
	const char *name;
	size_t size;
	int r = split_path(path, directory, sizeof(directory), &name);

	if (r < 0)
		return r == -EBUSY ? 0 : r;
	size = strcspn(name, "/");
	if (size > NAME_MAX)
		return -ENAMETOOLONG;
	memcpy(copy, name, size);
	copy[size] = 0;
	r = open_in_root(root_fd, directory, O_PATH | O_DIRECTORY, 0, &parent_fd);
	if (r < 0)
		return r;
	if (mkdirat(parent_fd, copy, mode) == 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	r = open_in_root(root_fd, path, O_PATH | O_DIRECTORY, 0, &made_fd);
	if (r != -ENOENT || links_left == 0)
		return r;
	r = follow_link(parent_fd, copy, path, directory);
	return r < 0 ? r : make_directories_limited(root_fd, path, mode, links_left - 1);
}

static int make_directories_limited(int root_fd, const char *path, unsigned int mode, int links_left)
{
	char prefix[PATH_MAX];
	size_t size = strlen(path);

	if (size >= sizeof(prefix))
		return -ENAMETOOLONG;
	for (size_t end = 1; end <= size; end++) {
		int r;

		if (end < size && path[end] != '/')
			continue;
		memcpy(prefix, path, end);
		prefix[end] = 0;
		r = make_directory(root_fd, prefix, mode, links_left);
		if (r < 0)
			return r;
	}
	return 0;
}

int make_directories(int root_fd, const char *path, unsigned int mode)
{
	return make_directories_limited(root_fd, path, mode, LINKS_MAX);
}

static int open_or_make_directory(int root_fd, const char *path, uint64_t resolve, int *ret_fd)
{
	int r = open_in_root(root_fd, path, O_PATH | O_DIRECTORY, resolve, ret_fd);

	if (r != -ENOENT)
		return r;
	r = make_directories(root_fd, path, 0755);
	return r < 0 ? r : open_in_root(root_fd, path, O_PATH | O_DIRECTORY, resolve, ret_fd);
}

int open_parent(int root_fd, const char *path, int *ret_fd, const char **ret_name)
{
	char directory[PATH_MAX];
	const char *name;
	int r = split_path(path, directory, sizeof(directory), &name);

	if (r < 0)
		return r;
	if (strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return -EINVAL;
	r = open_or_make_directory(root_fd, directory, 0, ret_fd);
	if (r == 0)
		*ret_name = name;
	return r;
}

/* O_CREAT without O_EXCL in the rootfs: what is there already, of whatever type, is left alone. */
static int make_file(int root_fd, const char *path)
{
	OWNED_FD int parent_fd = -EBADF;
	OWNED_FD int fd = -EBADF;
	const char *name;
	int r = open_parent(root_fd, path, &parent_fd, &name);

	if (r < 0)
		return r;
	fd = openat(parent_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (fd >= 0)
		return 0;
	if (errno != EEXIST)
		return -errno;
	/* A dangling link: made where it leads, still inside. */
	r = open_in_root(root_fd, path, O_WRONLY | O_CREAT | O_NOCTTY | O_NONBLOCK, 0, &fd);
	return r;
}

int open_target(int root_fd, const char *path, bool is_directory, bool is_created, uint64_t resolve, int *ret_fd)
{
	int r = open_in_root(root_fd, path, O_PATH, resolve, ret_fd);

	if (r != -ENOENT || !is_created)
		return r;
	if (is_directory)
		return open_or_make_directory(root_fd, path, resolve, ret_fd);
	r = make_file(root_fd, path);
	return r < 0 ? r : open_in_root(root_fd, path, O_PATH, resolve, ret_fd);
}
