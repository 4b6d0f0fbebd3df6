/* Standard input and output: the container's own terminal, or what the runtime gave, freed of the host's device inodes. */
#include "init.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <termios.h>

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

static const char MASTER_NAME[] = "/dev/ptmx";
enum { NULL_MAJOR = 1, NULL_MINOR = 3, PTMX_MAJOR = 5, PTMX_MINOR = 2 };

/* A path too long for an address is reached through a descriptor. */
static int connect_path(int fd, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	OWNED_FD int path_fd = -EBADF;

	if (strlen(path) < sizeof(address.sun_path)) {
		memcpy(address.sun_path, path, strlen(path) + 1);
	} else {
		path_fd = open(path, O_PATH | O_CLOEXEC);
		if (path_fd < 0)
			return -errno;
		(void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d", path_fd);
	}
	return connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
}

int connect_console(struct init *init)
{
	OWNED_FD int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int r = fd < 0 ? -errno : connect_path(fd, init->plan.console_socket);

	if (r < 0)
		return fail(init, -r, "console-socket", "%s", init->plan.console_socket);
	init->console_fd = take_fd(&fd);
	return 0;
}

/* The container's ptmx, verified to be one before it is opened. */
static int open_master(const struct init *init, int *ret_fd)
{
	OWNED_FD int path_fd = -EBADF;
	int fd;
	int r = open_in_root(init->root_fd, "/dev/pts/ptmx", O_PATH, RESOLVE_NO_SYMLINKS, &path_fd);

	if (r == -ENOENT)
		r = open_in_root(init->root_fd, "/dev/ptmx", O_PATH, 0, &path_fd);
	if (r < 0)
		return r;
	if (!is_device(path_fd, PTMX_MAJOR, PTMX_MINOR))
		return -ENODEV;
	fd = reopen(init, path_fd, O_RDWR | O_NOCTTY);
	if (fd < 0)
		return fd;
	*ret_fd = fd;
	return 0;
}

static int open_slave(int master_fd, int *ret_fd)
{
	int locked = 0;
	int fd;

	if (ioctl(master_fd, TIOCSPTLCK, &locked) < 0)
		return -errno;
	fd = ioctl(master_fd, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int send_master(int socket_fd, int master_fd)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr alignment;
	} control = { .bytes = { 0 } };
	struct iovec part = { .iov_base = (void *)MASTER_NAME, .iov_len = sizeof(MASTER_NAME) - 1 };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *header = CMSG_FIRSTHDR(&message);

	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(header), &master_fd, sizeof(master_fd));
	return sendmsg(socket_fd, &message, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

/* The slave becomes /dev/console, at a file that is no link. */
static int bind_console(const struct init *init, int slave_fd)
{
	OWNED_FD int parent_fd = -EBADF;
	OWNED_FD int target_fd = -EBADF;
	const char *name;
	int r = open_parent(init->root_fd, "/dev/console", &parent_fd, &name);

	if (r < 0)
		return r;
	target_fd = openat(parent_fd, name, O_RDONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0620);
	if (target_fd < 0 && errno != EEXIST)
		return -errno;
	close_fd(&target_fd);
	target_fd = openat(parent_fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	return target_fd < 0 ? -errno : bind_descriptor(slave_fd, target_fd);
}

static int take_terminal(int slave_fd)
{
	for (int fd = 0; fd <= STDERR_FILENO; fd++)
		if (dup2(slave_fd, fd) < 0)
			return -errno;
	return ioctl(STDIN_FILENO, TIOCSCTTY, 0) < 0 ? -errno : 0;
}

int set_up_console(struct init *init)
{
	struct winsize size = { .ws_row = init->plan.console_height, .ws_col = init->plan.console_width };
	OWNED_FD int master_fd = -EBADF;
	OWNED_FD int slave_fd = -EBADF;
	int r = open_master(init, &master_fd);

	if (r == 0)
		r = open_slave(master_fd, &slave_fd);
	if (r == 0 && (size.ws_row || size.ws_col) && ioctl(slave_fd, TIOCSWINSZ, &size) < 0)
		r = -errno;
	if (r == 0 && init->plan.kind == PLAN_CREATE && init->plan.is_console_bound)
		r = bind_console(init, slave_fd);
	if (r == 0)
		r = send_master(init->console_fd, master_fd);
	if (r == 0)
		r = take_terminal(slave_fd);
	close_fd(&init->console_fd);
	return r < 0 ? fail(init, -r, "console", "%s", init->plan.console_socket) : 0;
}

/* The host's /dev/null is exchanged for the container's: an inode of the host's /dev must not be reachable from inside. */
static int reopen_null(const struct init *init, int fd)
{
	OWNED_FD int path_fd = -EBADF;
	OWNED_FD int null_fd = -EBADF;
	int r = open_in_root(init->root_fd, "/dev/null", O_PATH, 0, &path_fd);

	if (r == -ENOENT)
		return 0; /* A rootfs without devices. */
	if (r < 0)
		return r;
	if (!is_device(path_fd, NULL_MAJOR, NULL_MINOR))
		return -ENODEV;
	null_fd = reopen(init, path_fd, O_RDWR);
	if (null_fd < 0)
		return null_fd;
	return dup2(null_fd, fd) < 0 ? -errno : 0;
}

int clean_stdio(struct init *init)
{
	if (init->plan.has_console || !init->plan.has_rootfs)
		return 0;
	for (int fd = 0; fd <= STDERR_FILENO; fd++) {
		int r = is_device(fd, NULL_MAJOR, NULL_MINOR) ? reopen_null(init, fd) : 0;

		if (r < 0)
			return fail(init, -r, "stdio", "/dev/null");
	}
	return 0;
}
