/*
 * dray-monitor: parent of a container's process. It gives it its streams, runs the command that creates it, reaps it, keeps its exit status,
 * and stays until somebody has taken that status over. One thread, one epoll loop.
 */
#define _GNU_SOURCE
#include "child.h"
#include "control.h"
#include "oom.h"
#include "options.h"
#include "streams.h"

#include "../main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

enum { RELAX_AFTER_MS = 1000, PID_TEXT_MAX = 32 };

struct monitor {
	struct mon_options options;
	struct mon_loop loop;
	struct child_inherited inherited;
	struct mon_watch signals;
	struct mon_watch console_listener;
	int console; /* the terminal's master */
	struct winsize size;
	pid_t command; /* 0 once it was reaped */
	pid_t watched; /* 0 while nobody said whom to watch */
	bool command_exited, exited, is_leaving, io_reported, is_busy;
	uint32_t command_status, exit_status;
	uint64_t exited_at_ns;
	struct streams streams;
	struct control_server control;
	struct mon_oom oom;
};

static void report_failure(const struct mon_options *options, const char *what, int result)
{
	char line[512];
	int size = snprintf(line, sizeof line, "%s: %s\n", what, strerror(-result));
	MON_OWNED_FD int fd = options->log != NULL ? open(options->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600) : -EBADF;

	if (size >= (int)sizeof line)
		size = sizeof line - 1;
	(void)!write(STDERR_FILENO, line, (size_t)size);
	if (fd >= 0)
		(void)!write(fd, line, (size_t)size);
}

static void write_exit_file(const struct monitor *monitor)
{
	char text[256];
	int size = snprintf(text, sizeof text, "{\"version\":1,\"pid\":%d,\"exitStatus\":%u,\"exitedAt\":\"%llu\",\"oomKills\":%u}\n", monitor->watched,
			    monitor->exit_status, (unsigned long long)monitor->exited_at_ns, monitor->oom.kills);
	int result;

	if (monitor->options.exit_file == NULL)
		return;
	result = mon_write_file(monitor->options.exit_file, text, (size_t)size);
	if (result < 0)
		report_failure(&monitor->options, "cannot write the exit file", result);
}

static void on_process_exit(struct monitor *monitor, int wait_status)
{
	monitor->exited_at_ns = mon_now_ns();
	monitor->exit_status = (uint32_t)child_exit_status(wait_status);
	(void)mon_oom_refresh(&monitor->oom);
	monitor->exited = true;
	write_exit_file(monitor);
	streams_set_final(&monitor->streams);
	control_report(&monitor->control);
}

/* Reaps whoever has ended: the watched process, and orphans that came here. Nobody is reaped before it is known whom to watch. */
static void reap(struct monitor *monitor)
{
	while (monitor->watched != 0) {
		int wait_status;
		pid_t pid = waitpid(-1, &wait_status, WNOHANG);

		if (pid <= 0)
			return;
		if (pid == monitor->watched && !monitor->exited)
			on_process_exit(monitor, wait_status);
	}
}

static int watch_process(struct monitor *monitor, pid_t pid)
{
	siginfo_t ignored;
	int result;

	if (monitor->watched != 0)
		return monitor->watched == pid ? 0 : -EBUSY;
	/* Only a child's status can be had; a zombie counts. */
	if (pid <= 1 || waitid(P_PID, (id_t)pid, &ignored, WEXITED | WNOHANG | WNOWAIT) < 0)
		return -ECHILD;
	monitor->watched = pid;
	result = streams_open_stdin(&monitor->streams);
	if (result < 0)
		report_failure(&monitor->options, "cannot open stdin", result);
	control_report(&monitor->control);
	reap(monitor);
	return 0;
}

static int read_pid_file(const char *path, pid_t *ret_pid)
{
	char text[PID_TEXT_MAX] = { 0 };
	MON_OWNED_FD int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || read(fd, text, sizeof text - 1) < 0)
		return -errno;
	*ret_pid = atoi(text);
	return *ret_pid > 1 ? 0 : -EINVAL;
}

static void on_command_success(struct monitor *monitor)
{
	pid_t pid = 0;
	int result;

	if (monitor->options.pid_file == NULL)
		return;
	result = read_pid_file(monitor->options.pid_file, &pid);
	if (result == 0)
		result = watch_process(monitor, pid);
	if (result < 0) {
		report_failure(&monitor->options, "cannot watch the process that the command named in its pid file", result);
		monitor->is_leaving = true;
	}
}

static void check_command(struct monitor *monitor)
{
	int wait_status;

	if (monitor->command == 0 || waitpid(monitor->command, &wait_status, WNOHANG) != monitor->command)
		return;
	monitor->command = 0;
	monitor->command_exited = true;
	monitor->command_status = (uint32_t)child_exit_status(wait_status);
	if (monitor->command_status == 0)
		on_command_success(monitor);
	else if (monitor->watched == 0)
		monitor->is_leaving = true;
	control_report(&monitor->control);
}

static void on_signal(struct mon_watch *watch, uint32_t events)
{
	struct monitor *monitor = watch->owner;
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info) {
		/* The machine goes down: the status is on disk already, if there is one. */
		if (info.ssi_signo == SIGTERM && monitor->exited)
			monitor->is_leaving = true;
	}
	check_command(monitor);
	reap(monitor);
}

static int set_console(struct monitor *monitor, int master)
{
	mon_close(&monitor->console);
	monitor->console = master;
	if (monitor->size.ws_col != 0)
		(void)ioctl(master, TIOCSWINSZ, &monitor->size);
	return streams_set_console(&monitor->streams, master);
}

/* One descriptor is expected; more than one does not fit into the buffer, so the kernel closes the rest. */
static int receive_fd(int connection)
{
	char name[4096];
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} space = { 0 };
	struct iovec data = { .iov_base = name, .iov_len = sizeof name };
	struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1, .msg_control = &space, .msg_controllen = sizeof space };
	const struct cmsghdr *header;
	int fd;

	if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) < 0)
		return -errno;
	header = CMSG_FIRSTHDR(&message);
	if (header == NULL || header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS || header->cmsg_len != CMSG_LEN(sizeof fd))
		return -EPROTO;
	memcpy(&fd, CMSG_DATA(header), sizeof fd);
	return fd;
}

static void on_console(struct mon_watch *watch, uint32_t events)
{
	struct monitor *monitor = watch->owner;
	MON_OWNED_FD int connection = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC);
	const struct timeval patience = { .tv_sec = 10 };
	int result;

	(void)events;
	if (connection < 0)
		return;
	/* The runtime sends right after it has connected; it must not be able to stop everything by not doing so. */
	(void)setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	result = receive_fd(connection);
	if (result >= 0)
		result = set_console(monitor, result);
	if (result < 0) {
		report_failure(&monitor->options, "cannot take the console", result);
		return;
	}
	mon_watch_close(&monitor->loop, watch);
	(void)unlink(monitor->options.console_socket);
	control_report(&monitor->control);
}

static int action_watch(void *owner, uint32_t pid)
{
	return watch_process(owner, (pid_t)pid);
}

static int action_resize(void *owner, uint16_t width, uint16_t height)
{
	struct monitor *monitor = owner;

	/* Kept for a terminal that has not arrived yet; without a terminal there is nothing to do. */
	monitor->size = (struct winsize){ .ws_col = width, .ws_row = height };
	if (monitor->console < 0)
		return 0;
	return ioctl(monitor->console, TIOCSWINSZ, &monitor->size) < 0 ? -errno : 0;
}

static int action_close_stdin(void *owner)
{
	struct monitor *monitor = owner;

	streams_close_stdin(&monitor->streams);
	return 0;
}

/* The watched process is not reaped by anybody else, so its pid cannot have been given to another one. */
static int action_signal(void *owner, uint32_t number)
{
	const struct monitor *monitor = owner;

	if (monitor->watched == 0 || monitor->exited)
		return -ESRCH;
	return kill(monitor->watched, (int)number) < 0 ? -errno : 0;
}

static int action_taken(void *owner)
{
	struct monitor *monitor = owner;

	if (!monitor->exited)
		return -EBUSY;
	monitor->is_leaving = true;
	return 0;
}

static int action_quit(void *owner)
{
	struct monitor *monitor = owner;

	if (monitor->watched != 0 && !monitor->exited)
		return -EBUSY;
	monitor->is_leaving = true;
	return 0;
}

static int action_watch_oom(void *owner, uint32_t version, const char *folder)
{
	struct monitor *monitor = owner;

	return mon_oom_open(&monitor->oom, &monitor->loop, (int)version, folder);
}

static void action_status(void *owner, struct control_status *ret_status)
{
	const struct monitor *monitor = owner;

	*ret_status = (struct control_status){
		.flags = (monitor->command_exited ? CONTROL_COMMAND_EXITED : 0U) | (monitor->watched != 0 ? CONTROL_WATCHING : 0U) |
			 (monitor->exited ? CONTROL_EXITED : 0U) | (monitor->io_reported ? CONTROL_IO_DONE : 0U) |
			 (monitor->console >= 0 ? CONTROL_HAS_CONSOLE : 0U) | (streams_stdin_is_open(&monitor->streams) ? CONTROL_STDIN_OPEN : 0U),
		.pid = (uint32_t)monitor->watched,
		.command_status = monitor->command_status,
		.exit_status = monitor->exit_status,
		.exited_at_ns = monitor->exited_at_ns,
		.lost_bytes = streams_lost_bytes(&monitor->streams),
		.oom_kills = monitor->oom.kills,
		.monitor_pid = (uint32_t)getpid(),
	};
}

static const struct control_actions actions = {
	.watch = action_watch,
	.resize = action_resize,
	.close_stdin = action_close_stdin,
	.signal = action_signal,
	.taken = action_taken,
	.quit = action_quit,
	.watch_oom = action_watch_oom,
	.status = action_status,
};

static void on_oom_change(void *owner)
{
	struct monitor *monitor = owner;

	control_report(&monitor->control);
}

static int open_signals(struct monitor *monitor)
{
	sigset_t wanted, all;

	(void)sigfillset(&all);
	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGCHLD);
	(void)sigaddset(&wanted, SIGTERM);
	if (sigprocmask(SIG_SETMASK, &all, NULL) < 0)
		return -errno;
	monitor->signals = (struct mon_watch){ .fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK), .handler = on_signal, .owner = monitor };
	if (monitor->signals.fd < 0)
		return -errno;
	return mon_arm(&monitor->loop, &monitor->signals, EPOLLIN);
}

static int open_console_listener(struct monitor *monitor)
{
	int result;

	if (monitor->options.console_socket == NULL)
		return 0;
	monitor->console_listener = (struct mon_watch){ .fd = -EBADF, .handler = on_console, .owner = monitor };
	result = mon_listen_unix(monitor->options.console_socket, 0600, 1, &monitor->console_listener.fd);
	return result < 0 ? result : mon_arm(&monitor->loop, &monitor->console_listener, EPOLLIN);
}

static int detach(struct monitor *monitor)
{
	(void)setsid(); /* fails when it is a leader already, which is as good */
	if (prctl(PR_SET_CHILD_SUBREAPER, 1) < 0)
		return -errno;
	return child_list_inherited(&monitor->inherited, (const int[2]){ monitor->options.control_fd, monitor->options.exec_fd });
}

/* Lets go of the descriptors that belong to whoever started the monitor. */
static int leave_stdio(void)
{
	MON_OWNED_FD int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	for (int fd = 0; fd < 3; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			return -errno;
	}
	return 0;
}

static int run_command(struct monitor *monitor, int stdio[3])
{
	int result = child_start(monitor->options.command, monitor->options.exec_fd, stdio, &monitor->command);

	for (int i = 0; i < 3; i++)
		mon_close(&stdio[i]);
	if (result < 0) {
		char what[256];

		(void)snprintf(what, sizeof what, "cannot run \"%s\"", monitor->options.command[0]);
		report_failure(&monitor->options, what, result);
		return result;
	}
	child_close_inherited(&monitor->inherited);
	mon_close(&monitor->options.exec_fd);
	return leave_stdio();
}

static int fail(const struct monitor *monitor, const char *what, int result)
{
	if (result < 0)
		report_failure(&monitor->options, what, result);
	return result;
}

static int start(struct monitor *monitor)
{
	static const char *const stream_names[3] = { "cannot connect stdin", "cannot connect stdout", "cannot connect stderr" };
	int stdio[3] = { -EBADF, -EBADF, -EBADF };
	int stream = 0, result;

	streams_init(&monitor->streams, &monitor->loop, &monitor->options);
	monitor->console = -EBADF;
	monitor->console_listener.fd = -EBADF;
	monitor->oom = (struct mon_oom){ .watch = MON_WATCH_NONE, .counter_fd = -EBADF, .changed = on_oom_change, .owner = monitor };
	result = fail(monitor, "cannot detach", detach(monitor));
	if (result == 0)
		result = fail(monitor, "cannot open the event loop", mon_loop_open(&monitor->loop));
	if (result == 0)
		result = fail(monitor, "cannot receive signals", open_signals(monitor));
	if (result == 0)
		result = fail(monitor, "cannot open the control socket",
			      control_open(&monitor->control, &monitor->loop, monitor->options.control, monitor->options.control_fd, &actions, monitor));
	if (result < 0)
		return result;
	result = streams_open(&monitor->streams, stdio, &stream);
	result = fail(monitor, stream_names[stream], result);
	if (result == 0)
		result = fail(monitor, "cannot listen for the console", open_console_listener(monitor));
	return result < 0 ? result : run_command(monitor, stdio);
}

/* All output is where it belongs: tell those who wait for it. */
static void check_io(struct monitor *monitor)
{
	if (!monitor->exited || monitor->io_reported || !streams_are_done(&monitor->streams))
		return;
	monitor->io_reported = true;
	control_report(&monitor->control);
}

/* After a burst the buffers are given back once nothing has happened for a moment. */
static int turn(struct monitor *monitor)
{
	int count = mon_loop_turn(&monitor->loop, monitor->is_busy ? RELAX_AFTER_MS : -1);

	if (count < 0)
		return count;
	if (count == 0 && monitor->is_busy)
		streams_relax(&monitor->streams);
	monitor->is_busy = count > 0;
	streams_turn(&monitor->streams);
	check_io(monitor);
	return 0;
}

static void leave(struct monitor *monitor)
{
	if (!monitor->exited)
		child_kill_all();
	streams_finish(&monitor->streams);
	if (monitor->console_listener.fd >= 0)
		(void)unlink(monitor->options.console_socket);
	mon_oom_close(&monitor->oom);
	control_close(&monitor->control);
}

int dray_monitor_main(int argc, char **argv)
{
	struct monitor *monitor = mon_pages_new(sizeof *monitor);
	const char *culprit = "";
	int result;

	if (monitor == NULL)
		return 1;
	if (mon_options_parse(argc, argv, &monitor->options, &culprit) < 0) {
		(void)fprintf(stderr, "dray-monitor: cannot understand \"%s\"\n", culprit);
		return 2;
	}
	result = start(monitor);
	while (result == 0 && !monitor->is_leaving)
		result = turn(monitor);
	leave(monitor);
	return result < 0 ? 1 : 0;
}
