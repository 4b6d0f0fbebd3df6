/* Copies a directory's content with owners, modes and times: what a tmpfs begins with. Set-up only; nobody else writes to either side's names. */
#include "init.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

enum { DEPTH_MAX = 256, CHUNK_BYTES = 1 << 20 };

static void close_directory(DIR **directory)
{
	if (*directory)
		(void)closedir(*directory);
}

static int copy_metadata(int to_fd, const char *name, const struct stat *state)
{
	struct timespec times[2] = { state->st_atim, state->st_mtim };

	if (fchownat(to_fd, name, state->st_uid, state->st_gid, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (!S_ISLNK(state->st_mode) && fchmodat(to_fd, name, state->st_mode & 07777, 0) < 0)
		return -errno;
	return utimensat(to_fd, name, times, AT_SYMLINK_NOFOLLOW) < 0 ? -errno : 0;
}

static int copy_file(int from_fd, int to_fd, const char *name)
{
	OWNED_FD int in = openat(from_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	OWNED_FD int out = in < 0 ? -EBADF : openat(to_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	ssize_t r;

	if (in < 0 || out < 0)
		return -errno;
	do {
		r = sendfile(out, in, NULL, CHUNK_BYTES);
	} while (r > 0 || (r < 0 && errno == EINTR));
	return r < 0 ? -errno : 0;
}

static int copy_link(int from_fd, int to_fd, const char *name)
{
	char target[PATH_MAX];
	ssize_t size = readlinkat(from_fd, name, target, sizeof(target) - 1);

	if (size < 0)
		return -errno;
	target[size] = 0;
	return symlinkat(target, to_fd, name) < 0 ? -errno : 0;
}

static int copy_entries(int from_fd, int to_fd, int depth);

static int copy_directory(int from_fd, int to_fd, const char *name, int depth)
{
	OWNED_FD int in = openat(from_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	OWNED_FD int out = -EBADF;

	if (in < 0 || mkdirat(to_fd, name, 0700) < 0)
		return -errno;
	out = openat(to_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (out < 0)
		return -errno;
	return copy_entries(in, out, depth + 1);
}

static int copy_entry(int from_fd, int to_fd, const char *name, int depth)
{
	struct stat state;
	int r;

	if (fstatat(from_fd, name, &state, AT_SYMLINK_NOFOLLOW) < 0)
		return -errno;
	if (S_ISDIR(state.st_mode))
		r = copy_directory(from_fd, to_fd, name, depth);
	else if (S_ISREG(state.st_mode))
		r = copy_file(from_fd, to_fd, name);
	else if (S_ISLNK(state.st_mode))
		r = copy_link(from_fd, to_fd, name);
	else
		r = mknodat(to_fd, name, state.st_mode, state.st_rdev) < 0 ? -errno : 0;
	return r < 0 ? r : copy_metadata(to_fd, name, &state);
}

static int copy_entries(int from_fd, int to_fd, int depth)
{
	__attribute__((cleanup(close_directory))) DIR *directory = NULL;
	OWNED_FD int fd = fcntl(from_fd, F_DUPFD_CLOEXEC, 3);
	struct dirent *entry;

	if (depth > DEPTH_MAX)
		return -ELOOP;
	if (fd < 0)
		return -errno;
	directory = fdopendir(fd);
	if (!directory)
		return -errno;
	(void)take_fd(&fd);
	while (errno = 0, (entry = readdir(directory))) {
		int r;

		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		r = copy_entry(from_fd, to_fd, entry->d_name, depth);
		if (r < 0)
			return r;
	}
	return -errno;
}

int copy_tree(int from_fd, int to_fd)
{
	struct stat state;
	int r;

	if (fstat(from_fd, &state) < 0)
		return -errno;
	r = copy_entries(from_fd, to_fd, 0);
	if (r == 0 && (fchown(to_fd, state.st_uid, state.st_gid) < 0 || fchmod(to_fd, state.st_mode & 07777) < 0))
		r = -errno;
	return r;
}
