/* Connects the streams by containerd's rules for FIFOs, files and binary loggers. */
#define _GNU_SOURCE
#include "streams.h"

#include "child.h"

#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>

enum { IN = 0, OUT = 1, ERR = 2 };

static bool is_fifo(const char *path)
{
	struct stat found;

	return stat(path, &found) == 0 && S_ISFIFO(found.st_mode);
}

/* Makes the folders above a log file, 0755. */
static void make_parents(const char *path)
{
	char folder[PATH_MAX];

	if (strlen(path) >= sizeof folder)
		return;
	memcpy(folder, path, strlen(path) + 1);
	for (char *slash = strchr(folder + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
		*slash = '\0';
		(void)mkdir(folder, 0755);
		*slash = '/';
	}
}

static int open_file(const char *path)
{
	int fd;

	make_parents(path);
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
	return fd < 0 ? -errno : fd;
}

/*
 * A FIFO is opened for reading too: a client that goes away then makes writes wait instead of fail, and one that comes back gets what waited.
 * What is no FIFO is a file to append to.
 */
static int open_output(const struct mon_uri *uri)
{
	int fd;

	if (uri->kind == MON_URI_FILE || !is_fifo(uri->path))
		return open_file(uri->path);
	fd = open(uri->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static unsigned output_flags(const struct mon_uri *uri)
{
	return uri->kind == MON_URI_FIFO && is_fifo(uri->path) ? MON_COPY_SPLICE : 0;
}

/* Both ends of a pipe; the one that stays here is made non-blocking, the process's one is given to its user. */
static int make_pipe(const struct mon_options *options, bool stays_read, int *ret_stays, int *ret_given)
{
	int ends[2], stays, given, result;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	stays = ends[stays_read ? 0 : 1];
	given = ends[stays_read ? 1 : 0];
	result = mon_set_nonblocking(stays);
	if (result == 0 && (options->io_uid != 0 || options->io_gid != 0) && fchown(given, options->io_uid, options->io_gid) < 0)
		result = -errno;
	if (result < 0) {
		mon_close(&stays);
		mon_close(&given);
		return result;
	}
	*ret_stays = stays;
	*ret_given = given;
	return 0;
}

static int open_null(int *ret_fd)
{
	*ret_fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	return *ret_fd < 0 ? -errno : 0;
}

static int prepare_stdin(struct streams *streams)
{
	const struct mon_uri *uri = &streams->uris[IN];

	if (uri->kind == MON_URI_NONE)
		return 0;
	if (uri->kind != MON_URI_FIFO || !is_fifo(uri->path))
		return -EINVAL;
	streams->stdin_wanted = true;
	return 0;
}

static int connect_stdin(struct streams *streams, int *ret_given)
{
	int result = prepare_stdin(streams);

	if (result < 0)
		return result;
	return streams->stdin_wanted ? make_pipe(streams->options, false, &streams->stdin_sink, ret_given) : open_null(ret_given);
}

/* Begins to copy as soon as there is a process to take the bytes and somewhere to put them. */
int streams_open_stdin(struct streams *streams)
{
	const char *path = streams->uris[IN].path;
	MON_OWNED_FD int in = -EBADF;

	streams->has_process = true;
	if (!streams->stdin_wanted || streams->stdin_sink < 0)
		return 0;
	in = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (in < 0)
		return -errno;
	streams->stdin_wanted = false;
	if (!streams->stdin_closed)
		streams->stdin_writer = open(path, O_WRONLY | O_NONBLOCK | O_CLOEXEC);
	return mon_copy_open(&streams->copies[IN], streams->loop, mon_take_fd(&in), mon_take_fd(&streams->stdin_sink), streams->has_terminal ? 0 : MON_COPY_SPLICE);
}

static int open_logger(struct streams *streams, const struct mon_uri *uri)
{
	if (streams->has_logger)
		return 0;
	streams->has_logger = true;
	return logger_open(&streams->logger, streams->loop, &uri->pairs);
}

/* A foreign logger reads the process's pipes itself. An unused stream is a pipe whose other end is closed already. */
static int connect_binary(struct streams *streams, int ret_stdio[3])
{
	MON_OWNED_FD int out = -EBADF;
	MON_OWNED_FD int err = -EBADF;
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	out = ends[0];
	ret_stdio[OUT] = ends[1];
	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	err = ends[0];
	ret_stdio[ERR] = ends[1];
	for (int i = OUT; i <= ERR; i++) {
		if (fchown(ret_stdio[i], streams->options->io_uid, streams->options->io_gid) < 0)
			return -errno;
	}
	return child_start_logger(&streams->uris[OUT], streams->options->id, streams->options->namespace, out, err, &pid);
}

static int connect_output(struct streams *streams, int stream, int *ret_given)
{
	const struct mon_uri *uri = &streams->uris[stream];
	MON_OWNED_FD int stays = -EBADF;
	MON_OWNED_FD int sink = -EBADF;
	int result;

	if (uri->kind == MON_URI_NONE)
		return open_null(ret_given);
	if (uri->kind == MON_URI_BINARY)
		return -EINVAL;
	result = make_pipe(streams->options, true, &stays, ret_given);
	if (result < 0)
		return result;
	if (uri->kind == MON_URI_LOGGER) {
		result = open_logger(streams, uri);
		return result < 0 ? result : logger_add_input(&streams->logger, stream - OUT, mon_take_fd(&stays), false);
	}
	sink = open_output(uri);
	if (sink < 0)
		return sink;
	return mon_copy_open(&streams->copies[stream], streams->loop, mon_take_fd(&stays), mon_take_fd(&sink), output_flags(uri));
}

/* With a terminal the process's stdio is made by its runtime; only the sinks are prepared here. */
static int prepare_terminal(struct streams *streams, int *ret_stream)
{
	const struct mon_uri *uri = &streams->uris[OUT];
	int result = prepare_stdin(streams);

	*ret_stream = result < 0 ? IN : OUT;
	if (result < 0 || uri->kind == MON_URI_NONE)
		return result;
	if (uri->kind == MON_URI_LOGGER)
		return open_logger(streams, uri);
	if (uri->kind == MON_URI_BINARY) {
		int stdio[3] = { -EBADF, -EBADF, -EBADF };

		result = connect_binary(streams, stdio);
		mon_close(&stdio[ERR]);
		streams->terminal_out = stdio[OUT];
		return result < 0 ? result : mon_set_nonblocking(streams->terminal_out);
	}
	streams->terminal_out = open_output(uri);
	return streams->terminal_out < 0 ? streams->terminal_out : 0;
}

static int connect_pipes(struct streams *streams, int ret_stdio[3], int *ret_stream)
{
	int result = connect_stdin(streams, &ret_stdio[IN]);

	*ret_stream = IN;
	if (result < 0)
		return result;
	*ret_stream = OUT;
	if (streams->uris[OUT].kind == MON_URI_BINARY)
		return connect_binary(streams, ret_stdio);
	result = connect_output(streams, OUT, &ret_stdio[OUT]);
	if (result < 0)
		return result;
	*ret_stream = ERR;
	return connect_output(streams, ERR, &ret_stdio[ERR]);
}

static int parse_uris(struct streams *streams, int *ret_stream)
{
	int result = 0;

	for (int i = 0; i < 3 && result == 0; i++) {
		*ret_stream = i;
		result = mon_uri_parse(streams->options->stdio[i], &streams->uris[i]);
	}
	return result;
}

void streams_init(struct streams *streams, struct mon_loop *loop, const struct mon_options *options)
{
	streams->loop = loop;
	streams->options = options;
	streams->has_terminal = options->console_socket != NULL;
	streams->stdin_writer = streams->stdin_sink = streams->terminal_out = -EBADF;
	for (int i = 0; i < 3; i++)
		streams->copies[i] = (struct mon_copy){ .loop = loop, .in = MON_WATCH_NONE, .out = MON_WATCH_NONE };
}

int streams_open(struct streams *streams, int ret_stdio[3], int *ret_stream)
{
	int result = parse_uris(streams, ret_stream);

	if (result < 0)
		return result;
	if (!streams->has_terminal)
		return connect_pipes(streams, ret_stdio, ret_stream);
	for (int i = 0; i < 3 && result == 0; i++)
		result = open_null(&ret_stdio[i]);
	return result < 0 ? result : prepare_terminal(streams, ret_stream);
}

static int duplicate(int fd)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 3);

	return copy < 0 ? -errno : copy;
}

/* Epoll knows a descriptor once, so each direction gets its own. */
static int connect_console_out(struct streams *streams, int master)
{
	MON_OWNED_FD int in = duplicate(master);

	if (in < 0)
		return in;
	if (streams->has_logger)
		return logger_add_input(&streams->logger, 0, mon_take_fd(&in), true);
	/* Somebody must take the bytes, or the process would stop when the terminal's buffer is full. */
	if (streams->terminal_out < 0)
		streams->terminal_out = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (streams->terminal_out < 0)
		return -errno;
	return mon_copy_open(&streams->copies[OUT], streams->loop, mon_take_fd(&in), mon_take_fd(&streams->terminal_out), MON_COPY_TERMINAL_IN);
}

int streams_set_console(struct streams *streams, int master)
{
	int result = mon_set_nonblocking(master);

	streams->console_seen = true;
	if (result == 0)
		result = connect_console_out(streams, master);
	if (result == 0 && streams->stdin_wanted) {
		streams->stdin_sink = duplicate(master);
		result = streams->stdin_sink < 0 ? streams->stdin_sink : 0;
	}
	if (result == 0 && streams->has_process)
		result = streams_open_stdin(streams);
	if (streams->is_final)
		streams_set_final(streams);
	return result;
}

void streams_close_stdin(struct streams *streams)
{
	streams->stdin_closed = true;
	mon_close(&streams->stdin_writer);
}

bool streams_stdin_is_open(const struct streams *streams)
{
	return !streams->stdin_closed && (streams->stdin_wanted || streams->stdin_writer >= 0);
}

void streams_turn(struct streams *streams)
{
	if (streams->has_logger)
		logger_turn(&streams->logger);
	/* A process that has closed its stdin: let clients see a broken pipe. */
	if (!streams->copies[IN].is_open)
		mon_close(&streams->stdin_writer);
}

void streams_set_final(struct streams *streams)
{
	streams->is_final = true;
	for (int i = 0; i < 3; i++)
		mon_copy_set_final(&streams->copies[i]);
	if (streams->has_logger)
		logger_set_final(&streams->logger);
}

bool streams_are_done(const struct streams *streams)
{
	return !streams->copies[OUT].is_open && !streams->copies[ERR].is_open && (!streams->has_logger || logger_is_done(&streams->logger));
}

void streams_finish(struct streams *streams)
{
	mon_copy_close(&streams->copies[IN]);
	mon_close(&streams->stdin_writer);
	mon_close(&streams->stdin_sink);
	mon_close(&streams->terminal_out);
	mon_copy_finish(&streams->copies[OUT]);
	mon_copy_finish(&streams->copies[ERR]);
	if (streams->has_logger) {
		logger_finish(&streams->logger);
		logger_close(&streams->logger);
	}
	for (int i = 0; i < 3; i++)
		mon_uri_free(&streams->uris[i]);
}

void streams_relax(struct streams *streams)
{
	for (int i = 0; i < 3; i++)
		mon_copy_relax(&streams->copies[i]);
	if (streams->has_logger)
		logger_relax(&streams->logger);
}

uint64_t streams_lost_bytes(const struct streams *streams)
{
	return streams->has_logger && streams->logger.has_log ? streams->logger.log.lost : 0;
}
