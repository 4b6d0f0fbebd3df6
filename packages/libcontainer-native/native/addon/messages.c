/* Descriptors over unix sockets (SCM_RIGHTS). */
#include "addon.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

enum { MESSAGE_FDS_MAX = 253 /* SCM_MAX_FD of the kernel */ };

union control {
	char bytes[CMSG_SPACE(sizeof(int) * MESSAGE_FDS_MAX)];
	struct cmsghdr alignment;
};

/* sendFds(fd, bytes, fds) -> bytes sent, or -errno */
static napi_value send_fds(napi_env env, napi_callback_info info)
{
	union control control = { .bytes = { 0 } };
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
	napi_value arguments[3];
	size_t count = 3;
	uint8_t *bytes;
	int fds[MESSAGE_FDS_MAX];
	int fd, fd_count;
	ssize_t r;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 3 || !read_int(env, arguments[0], &fd) ||
	    !read_bytes(env, arguments[1], &bytes, &part.iov_len))
		return type_error(env, "sendFds");
	part.iov_base = bytes;
	fd_count = read_int_array(env, arguments[2], fds, MESSAGE_FDS_MAX);
	if (fd_count < 0)
		return type_error(env, "sendFds: descriptors");
	if (fd_count > 0) {
		struct cmsghdr *header;

		message.msg_control = control.bytes;
		message.msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)fd_count);
		header = CMSG_FIRSTHDR(&message);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)fd_count);
		memcpy(CMSG_DATA(header), fds, sizeof(int) * (size_t)fd_count);
	}
	do {
		r = sendmsg(fd, &message, MSG_NOSIGNAL);
	} while (r < 0 && errno == EINTR);
	return number_result(env, r < 0 ? -errno : r);
}

static bool append_descriptors(napi_env env, napi_value array, uint32_t *count, struct cmsghdr *header)
{
	size_t fd_count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);

	for (size_t i = 0; i < fd_count; i++) {
		int fd;

		memcpy(&fd, CMSG_DATA(header) + i * sizeof(int), sizeof(fd));
		if (napi_set_element(env, array, (*count)++, number_result(env, fd)) != napi_ok)
			return false;
	}
	return true;
}

/* recvFds(fd, buffer, fds, flags) -> bytes received, or -errno; appends the descriptors, close-on-exec, to the empty array `fds` */
static napi_value receive_fds(napi_env env, napi_callback_info info)
{
	union control control;
	struct iovec part;
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = control.bytes, .msg_controllen = sizeof(control) };
	napi_value arguments[4];
	size_t count = 4;
	uint32_t fd_count = 0;
	uint8_t *bytes;
	int fd, flags;
	ssize_t r;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 4 || !read_int(env, arguments[0], &fd) ||
	    !read_bytes(env, arguments[1], &bytes, &part.iov_len) || !read_int(env, arguments[3], &flags))
		return type_error(env, "recvFds");
	part.iov_base = bytes;
	do {
		r = recvmsg(fd, &message, flags | MSG_CMSG_CLOEXEC);
	} while (r < 0 && errno == EINTR);
	if (r < 0)
		return number_result(env, -errno);
	for (struct cmsghdr *header = CMSG_FIRSTHDR(&message); header; header = CMSG_NXTHDR(&message, header))
		if (header->cmsg_level == SOL_SOCKET && header->cmsg_type == SCM_RIGHTS && !append_descriptors(env, arguments[2], &fd_count, header))
			return type_error(env, "recvFds: descriptors");
	return number_result(env, r);
}

bool register_messages(napi_env env, napi_value exports)
{
	return register_function(env, exports, "sendFds", send_fds, NULL) && register_function(env, exports, "recvFds", receive_fds, NULL);
}
