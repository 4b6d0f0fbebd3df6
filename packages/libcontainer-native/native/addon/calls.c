/*
 * System calls that need no more than their arguments converted: one table row each. A signature has one letter per JavaScript argument:
 *   d  int32                      u  uint32                     l  int64 (number or bigint)
 *   s  path: string or bytes      S  the same or null           0  no argument: the kernel gets 0
 *   b  bytes: address and length  B  the same or null           r  bytes: length and address
 *   pN address of N bytes at least                              PN the same or null
 *   =N no argument: the kernel gets N
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STRINGS_MAX = 4, KERNEL_ARGUMENTS_MAX = 6, JS_ARGUMENTS_MAX = 6 };

struct call {
	const char *name;
	long number;
	const char *signature;
};

static const struct call calls[] = {
	/* Files, relative to a directory. */
	{ "openat", SYS_openat, "dsuu" },
	{ "openat2", SYS_openat2, "dsb" },
	{ "mkdirat", SYS_mkdirat, "dsu" },
	{ "mknodat", SYS_mknodat, "dsuu" },
	{ "symlinkat", SYS_symlinkat, "sds" },
	{ "linkat", SYS_linkat, "dsdsu" },
	{ "renameat2", SYS_renameat2, "dsdsu" },
	{ "unlinkat", SYS_unlinkat, "dsu" },
	{ "fchownat", SYS_fchownat, "dsuuu" },
	{ "fchmodat", SYS_fchmodat, "dsu" },
	{ "fchmod", SYS_fchmod, "du" },
	{ "utimensat", SYS_utimensat, "dSP32u" },
	{ "statx", SYS_statx, "dsuup256" },
	{ "readlinkat", SYS_readlinkat, "dsb" },
	{ "getdents64", SYS_getdents64, "db" },
	{ "copyFileRange", SYS_copy_file_range, "dP8dP8l0" },
	{ "statfs", SYS_statfs, "sp120" },
	{ "fstatfs", SYS_fstatfs, "dp120" },
	{ "getxattr", SYS_getxattr, "ssB" },
	{ "lgetxattr", SYS_lgetxattr, "ssB" },
	{ "fgetxattr", SYS_fgetxattr, "dsB" },
	{ "setxattr", SYS_setxattr, "ssbu" },
	{ "lsetxattr", SYS_lsetxattr, "ssbu" },
	{ "fsetxattr", SYS_fsetxattr, "dsbu" },
	{ "listxattr", SYS_listxattr, "sB" },
	{ "llistxattr", SYS_llistxattr, "sB" },
	{ "flistxattr", SYS_flistxattr, "dB" },
	{ "removexattr", SYS_removexattr, "ss" },
	{ "lremovexattr", SYS_lremovexattr, "ss" },
	{ "fremovexattr", SYS_fremovexattr, "ds" },
	{ "flock", SYS_flock, "du" },
	{ "syncfs", SYS_syncfs, "d" },
	/* Mounts. */
	{ "mount", SYS_mount, "SsSuS" },
	{ "umount2", SYS_umount2, "su" },
	{ "mountSetattr", SYS_mount_setattr, "dsub" },
	{ "openTree", SYS_open_tree, "dsu" },
	{ "moveMount", SYS_move_mount, "dsdsu" },
	{ "fsopen", SYS_fsopen, "su" },
	{ "fsconfig", SYS_fsconfig, "duSSd" },
	{ "fsmount", SYS_fsmount, "duu" },
	/* Processes. */
	{ "pidfdOpen", SYS_pidfd_open, "du" },
	{ "pidfdSendSignal", SYS_pidfd_send_signal, "dd00" },
	{ "pidfdGetfd", SYS_pidfd_getfd, "dd0" },
	{ "waitid", SYS_waitid, "udp128u0" },
	{ "setChildSubreaper", SYS_prctl, "=36u000" },
	{ "setDumpable", SYS_prctl, "=4u000" },
	{ "setThreadName", SYS_prctl, "=15s000" },
	{ "readBoundingCapability", SYS_prctl, "=23u000" },
	{ "capget", SYS_capget, "p8p24" },
	{ "prlimit", SYS_prlimit64, "duP16P16" },
	{ "schedSetaffinity", SYS_sched_setaffinity, "dr" },
	{ "schedGetaffinity", SYS_sched_getaffinity, "dr" },
	/* Descriptors. */
	{ "close", SYS_close, "d" },
	{ "dupCloexec", SYS_fcntl, "d=1030u" },
	{ "setDescriptorFlags", SYS_fcntl, "d=2u" },
	{ "getStatusFlags", SYS_fcntl, "d=3=0" },
	{ "setStatusFlags", SYS_fcntl, "d=4u" },
	{ "setPipeSize", SYS_fcntl, "d=1031u" },
	{ "addSeals", SYS_fcntl, "d=1033u" },
	{ "getSeals", SYS_fcntl, "d=1034=0" },
	{ "memfdCreate", SYS_memfd_create, "su" },
	{ "pipe2", SYS_pipe2, "p8u" },
	{ "eventfd2", SYS_eventfd2, "uu" },
	{ "setWindowSize", SYS_ioctl, "d=21524p8" },
	{ "getWindowSize", SYS_ioctl, "d=21523p8" },
	/* Sockets. */
	{ "socket", SYS_socket, "ddd" },
	{ "socketpair", SYS_socketpair, "dddp8" },
	{ "bind", SYS_bind, "db" },
	{ "connect", SYS_connect, "db" },
	{ "listen", SYS_listen, "dd" },
	{ "accept4", SYS_accept4, "d00u" },
	{ "send", SYS_sendto, "dbu00" },
	{ "recv", SYS_recvfrom, "dbu00" },
	{ "setsockopt", SYS_setsockopt, "dddb" },
	{ "shutdown", SYS_shutdown, "dd" },
};

struct arguments {
	long kernel[KERNEL_ARGUMENTS_MAX];
	int count;
	char strings[STRINGS_MAX][PATH_BYTES_MAX];
	int string_count;
};

static bool is_absent(napi_env env, napi_value value)
{
	napi_valuetype type;

	return napi_typeof(env, value, &type) == napi_ok && (type == napi_null || type == napi_undefined);
}

static bool push(struct arguments *arguments, long value)
{
	if (arguments->count == KERNEL_ARGUMENTS_MAX)
		return false;
	arguments->kernel[arguments->count++] = value;
	return true;
}

/* The readers return 0, -errno for the caller, or -ENOTSUP for a value of the wrong type. */
static int push_integer(napi_env env, struct arguments *arguments, char letter, napi_value value)
{
	int32_t small;
	uint32_t unsigned_small;
	int64_t big;
	bool is_lossless;

	if (letter == 'd')
		return napi_get_value_int32(env, value, &small) == napi_ok && push(arguments, small) ? 0 : -ENOTSUP;
	if (letter == 'u')
		return napi_get_value_uint32(env, value, &unsigned_small) == napi_ok && push(arguments, (long)unsigned_small) ? 0 : -ENOTSUP;
	if (napi_get_value_bigint_int64(env, value, &big, &is_lossless) == napi_ok)
		return is_lossless && push(arguments, big) ? 0 : -ENOTSUP;
	return napi_get_value_int64(env, value, &big) == napi_ok && push(arguments, big) ? 0 : -ENOTSUP;
}

static int push_string(napi_env env, struct arguments *arguments, napi_value value)
{
	char *buffer;
	int r;

	if (arguments->string_count == STRINGS_MAX)
		return -ENOTSUP;
	buffer = arguments->strings[arguments->string_count++];
	r = read_path(env, value, buffer, PATH_BYTES_MAX);
	if (r < 0)
		return r;
	return push(arguments, (long)buffer) ? 0 : -ENOTSUP;
}

static int push_bytes(napi_env env, struct arguments *arguments, char letter, size_t size_min, napi_value value)
{
	uint8_t *bytes;
	size_t size;
	bool is_pushed;

	if (!read_bytes(env, value, &bytes, &size) || size < size_min)
		return -ENOTSUP;
	if (letter == 'p')
		is_pushed = push(arguments, (long)bytes);
	else if (letter == 'r')
		is_pushed = push(arguments, (long)size) && push(arguments, (long)bytes);
	else
		is_pushed = push(arguments, (long)bytes) && push(arguments, (long)size);
	return is_pushed ? 0 : -ENOTSUP;
}

/* One JavaScript argument; an upper-case letter allows null. */
static int push_argument(napi_env env, struct arguments *arguments, char letter, size_t size_min, napi_value value)
{
	bool is_optional = letter == 'S' || letter == 'B' || letter == 'P';
	char kind = is_optional ? (char)(letter - 'A' + 'a') : letter;

	if (is_optional && is_absent(env, value)) {
		bool is_pushed = push(arguments, 0) && (kind != 'b' || push(arguments, 0));

		return is_pushed ? 0 : -ENOTSUP;
	}
	if (kind == 's')
		return push_string(env, arguments, value);
	if (kind == 'b' || kind == 'p' || kind == 'r')
		return push_bytes(env, arguments, kind, size_min, value);
	return push_integer(env, arguments, kind, value);
}

static int convert_arguments(napi_env env, const char *signature, size_t js_count, const napi_value *js, struct arguments *arguments)
{
	size_t next = 0;

	while (*signature) {
		char letter = *signature++;
		bool has_number = letter == '=' || letter == 'p' || letter == 'P';
		char *end = NULL;
		unsigned long number = has_number ? strtoul(signature, &end, 10) : 0;
		int r;

		if (has_number)
			signature = end;
		if (letter == '=' || letter == '0') {
			if (!push(arguments, (long)number))
				return -ENOTSUP;
			continue;
		}
		if (next == js_count)
			return -ENOTSUP;
		r = push_argument(env, arguments, letter, number, js[next++]);
		if (r < 0)
			return r;
	}
	return 0;
}

static long invoke(long number, const long *a)
{
	long r;

	do {
		r = syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	} while (r < 0 && errno == EINTR && number != SYS_close);
	return r < 0 ? -errno : r;
}

static napi_value make_call(napi_env env, napi_callback_info info)
{
	const struct call *call;
	struct arguments arguments = { .count = 0 };
	napi_value js[JS_ARGUMENTS_MAX];
	size_t js_count = JS_ARGUMENTS_MAX;
	void *data;
	int r;

	if (napi_get_cb_info(env, info, &js_count, js, NULL, &data) != napi_ok)
		return NULL;
	call = data;
	if (js_count > JS_ARGUMENTS_MAX)
		js_count = JS_ARGUMENTS_MAX;
	r = convert_arguments(env, call->signature, js_count, js, &arguments);
	if (r == -ENOTSUP)
		return type_error(env, call->name);
	return number_result(env, r < 0 ? r : invoke(call->number, arguments.kernel));
}

bool register_calls(napi_env env, napi_value exports)
{
	for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
		if (!register_function(env, exports, calls[i].name, make_call, (void *)&calls[i]))
			return false;
	return true;
}
