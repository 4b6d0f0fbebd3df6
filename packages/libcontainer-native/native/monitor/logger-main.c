/* dray-logger as a program of its own: containerd's binary:// contract. Descriptor 3 is stdout, 4 stderr; 5 is closed when it is ready. */
#define _GNU_SOURCE
#include "logger.h"

#include "../main.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>

enum { FD_STDOUT = 3, FD_STDERR = 4, FD_READY = 5, LOGGER_RELAX_AFTER_MS = 1000 };

struct logger_program {
	struct mon_loop loop;
	struct mon_watch signals;
	bool is_told_to_end;
	struct logger logger;
};

static int parse_arguments(int argc, char **argv, struct mon_pairs *ret_pairs)
{
	static const char *const known[] = { "driver", "path", "max-size", "max-file", "attach", "tty", "attrs", "labels" };

	ret_pairs->count = 0;
	/* A key with an empty value comes without it, so a key is recognised by its name. */
	for (int i = 1; i < argc; i++) {
		bool is_known = false;

		for (size_t k = 0; k < sizeof known / sizeof *known; k++)
			is_known = is_known || strcmp(argv[i], known[k]) == 0;
		if (is_known && ret_pairs->count < MON_PAIRS_MAX) {
			ret_pairs->keys[ret_pairs->count] = argv[i];
			ret_pairs->values[ret_pairs->count++] = "";
		} else if (ret_pairs->count > 0 && *ret_pairs->values[ret_pairs->count - 1] == '\0') {
			ret_pairs->values[ret_pairs->count - 1] = argv[i];
		} else {
			return -EINVAL;
		}
	}
	return 0;
}

static void on_program_signal(struct mon_watch *watch, uint32_t events)
{
	struct logger_program *program = watch->owner;
	struct signalfd_siginfo info;

	(void)events;
	while (read(watch->fd, &info, sizeof info) == (ssize_t)sizeof info)
		program->is_told_to_end = true;
}

static int open_program_signals(struct logger_program *program)
{
	sigset_t wanted;

	(void)sigemptyset(&wanted);
	(void)sigaddset(&wanted, SIGTERM);
	(void)sigaddset(&wanted, SIGINT);
	(void)sigaddset(&wanted, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &wanted, NULL) < 0)
		return -errno;
	program->signals = (struct mon_watch){ .fd = signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK), .handler = on_program_signal, .owner = program };
	return program->signals.fd < 0 ? -errno : mon_arm(&program->loop, &program->signals, EPOLLIN);
}

static int add_input(struct logger_program *program, int stream, int fd)
{
	int result = mon_set_nonblocking(fd);

	if (result == 0 && fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		result = -errno;
	return result < 0 ? result : logger_add_input(&program->logger, stream, fd, false);
}

static int start_program(struct logger_program *program, const struct mon_pairs *pairs)
{
	int ready = FD_READY;
	int result = mon_loop_open(&program->loop);

	if (result == 0)
		result = open_program_signals(program);
	if (result == 0)
		result = logger_open(&program->logger, &program->loop, pairs);
	if (result == 0)
		result = add_input(program, 0, FD_STDOUT);
	if (result == 0)
		result = add_input(program, 1, FD_STDERR);
	if (result == 0)
		mon_close(&ready);
	return result;
}

int dray_logger_main(int argc, char **argv)
{
	struct logger_program *program;
	struct mon_pairs pairs;
	int result, count = 1;

	/* The loop's own descriptors must not take the contract's places. */
	for (int fd = FD_STDOUT; fd <= FD_READY; fd++) {
		if (fcntl(fd, F_GETFD) < 0) {
			(void)fprintf(stderr, "dray-logger: descriptor %d is not open; this program is started by a containerd shim\n", fd);
			return 2;
		}
	}
	program = mon_pages_new(sizeof *program);
	if (program == NULL)
		return 1;
	result = parse_arguments(argc, argv, &pairs);
	if (result == 0)
		result = start_program(program, &pairs);
	while (result == 0 && !program->is_told_to_end && !logger_is_done(&program->logger)) {
		count = mon_loop_turn(&program->loop, count > 0 ? LOGGER_RELAX_AFTER_MS : -1);
		if (count == 0)
			logger_relax(&program->logger);
		logger_turn(&program->logger);
		result = count < 0 ? count : 0;
	}
	if (result < 0) {
		(void)fprintf(stderr, "dray-logger: %s\n", strerror(-result));
		return 1;
	}
	logger_finish(&program->logger);
	logger_close(&program->logger);
	return 0;
}
