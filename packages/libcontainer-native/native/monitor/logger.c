/* Joins the inputs with the log file and the attach socket. A piece of output is in the log before a client sees it. */
#define _GNU_SOURCE
#include "logger.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

enum { READS_PER_TURN = 16, PIPE_USUAL_BYTES = 64 * 1024 };

static int parse_number(const char *text, uint64_t fallback, uint64_t *ret_number)
{
	char *end = NULL;
	unsigned long long number;

	if (text == NULL || *text == '\0') {
		*ret_number = fallback;
		return 0;
	}
	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	number = strtoull(text, &end, 10);
	if (errno != 0 || *end != '\0')
		return -EINVAL;
	*ret_number = number;
	return 0;
}

static int open_log(struct logger *logger, const struct mon_pairs *pairs)
{
	struct json_log_options options = { .path = mon_pairs_find(pairs, "path"), .attrs = mon_pairs_find(pairs, "attrs") };
	uint64_t files_max = 1;
	int result = parse_number(mon_pairs_find(pairs, "max-size"), 0, &options.size_max);

	if (result == 0)
		result = parse_number(mon_pairs_find(pairs, "max-file"), 1, &files_max);
	if (result < 0)
		return result;
	if (options.path == NULL || *options.path != '/' || files_max < 1 || files_max > UINT16_MAX)
		return -EINVAL;
	options.files_max = (uint32_t)files_max;
	logger->has_log = true;
	return json_log_open(&logger->log, &options);
}

int logger_open(struct logger *logger, struct mon_loop *loop, const struct mon_pairs *pairs)
{
	const char *driver = mon_pairs_find(pairs, "driver");
	const char *attach = mon_pairs_find(pairs, "attach");
	const char *tty = mon_pairs_find(pairs, "tty");
	int result = 0;

	logger->loop = loop;
	logger->is_tty = tty != NULL && strcmp(tty, "1") == 0;
	for (int i = 0; i < 2; i++)
		logger->inputs[i] = (struct logger_input){ .watch = MON_WATCH_NONE, .logger = logger, .stream = i };
	logger->attach.listener.fd = -EBADF;
	logger->chunk = mon_pages_new(ATTACH_CHUNK_BYTES_MAX);
	if (logger->chunk == NULL)
		return -ENOMEM;
	if (driver == NULL || (strcmp(driver, "json-file") != 0 && strcmp(driver, "none") != 0))
		return -EINVAL;
	if (strcmp(driver, "json-file") == 0)
		result = open_log(logger, pairs);
	if (result == 0 && attach != NULL && *attach != '\0') {
		logger->has_attach = true;
		result = attach_open(&logger->attach, loop, attach);
	}
	return result;
}

static bool all_ended(const struct logger *logger)
{
	return !logger->inputs[0].is_open && !logger->inputs[1].is_open;
}

static void end_input(struct logger_input *input)
{
	struct logger *logger = input->logger;

	if (!input->is_open)
		return;
	input->is_open = false;
	mon_watch_close(logger->loop, &input->watch);
	if (logger->has_log)
		json_log_end(&logger->log, input->stream);
	if (logger->has_attach && all_ended(logger))
		attach_end(&logger->attach);
}

static bool is_congested(const struct logger *logger)
{
	return logger->has_attach && attach_is_congested(&logger->attach);
}

static void deliver(struct logger_input *input, size_t size)
{
	struct logger *logger = input->logger;

	if (logger->has_log)
		json_log_feed(&logger->log, input->stream, logger->chunk, size);
	if (logger->has_attach)
		attach_broadcast(&logger->attach, input->stream, logger->chunk, size);
	/* A full pipe says that the writer is faster than we are scheduled. */
	if (size >= PIPE_USUAL_BYTES && !input->is_big) {
		input->is_big = true;
		mon_pipe_grow(input->watch.fd);
	}
}

/* Reads once. Returns whether there may be more now. */
static bool read_once(struct logger_input *input)
{
	ssize_t got = read(input->watch.fd, input->logger->chunk, ATTACH_CHUNK_BYTES_MAX);

	if (got > 0) {
		deliver(input, (size_t)got);
		return true;
	}
	if (got < 0 && errno == EINTR)
		return true;
	if (got < 0 && errno == EAGAIN)
		return false;
	/* A program inside may open /dev/console again as long as its first process lives: wait for the next edge. */
	if (got < 0 && errno == EIO && input->is_terminal && !input->logger->is_final) {
		(void)mon_arm(input->logger->loop, &input->watch, EPOLLIN | EPOLLET);
		return false;
	}
	end_input(input);
	return false;
}

static void on_input(struct mon_watch *watch, uint32_t events)
{
	struct logger_input *input = watch->owner;

	(void)events;
	for (int i = 0; i < READS_PER_TURN && input->is_open; i++) {
		if (is_congested(input->logger)) {
			(void)mon_arm(input->logger->loop, watch, 0);
			return;
		}
		if (!read_once(input))
			return;
	}
	if (input->is_open && (watch->armed & EPOLLET) != 0)
		(void)mon_arm(input->logger->loop, watch, EPOLLIN);
}

int logger_add_input(struct logger *logger, int stream, int fd, bool is_terminal)
{
	struct logger_input *input = &logger->inputs[stream];

	input->watch = (struct mon_watch){ .fd = fd, .handler = on_input, .owner = input };
	input->is_terminal = is_terminal;
	input->is_open = true;
	return mon_arm(logger->loop, &input->watch, EPOLLIN);
}

void logger_turn(struct logger *logger)
{
	if (!logger->has_attach)
		return;
	attach_sweep(&logger->attach);
	if (attach_is_congested(&logger->attach))
		return;
	for (int i = 0; i < 2; i++) {
		if (logger->inputs[i].is_open && logger->inputs[i].watch.armed == 0)
			(void)mon_arm(logger->loop, &logger->inputs[i].watch, EPOLLIN);
	}
}

void logger_set_final(struct logger *logger)
{
	logger->is_final = true;
	for (int i = 0; i < 2; i++) {
		struct logger_input *input = &logger->inputs[i];

		/* A terminal that was left for its next edge must be looked at again: its end may have been seen already. */
		if (input->is_open && input->is_terminal && input->watch.armed != 0)
			(void)mon_arm(logger->loop, &input->watch, EPOLLIN);
	}
}

void logger_finish(struct logger *logger)
{
	logger->is_final = true;
	for (int i = 0; i < 2; i++) {
		while (logger->inputs[i].is_open && !is_congested(logger) && read_once(&logger->inputs[i]))
			continue;
		end_input(&logger->inputs[i]);
	}
	if (logger->has_attach)
		attach_end(&logger->attach);
}

bool logger_is_done(const struct logger *logger)
{
	return all_ended(logger) && (!logger->has_attach || attach_is_drained(&logger->attach));
}

void logger_relax(struct logger *logger)
{
	mon_pages_forget(logger->chunk, ATTACH_CHUNK_BYTES_MAX);
	if (logger->has_log)
		json_log_relax(&logger->log);
}

void logger_close(struct logger *logger)
{
	for (int i = 0; i < 2; i++)
		end_input(&logger->inputs[i]);
	if (logger->has_attach)
		attach_close(&logger->attach);
	if (logger->has_log)
		json_log_close(&logger->log);
}
