/*
 * The protocol with the runtime over the inherited stream socket. To the runtime: u32 size of the rest, u8 type, payload (little-endian, as the
 * plan). From the runtime: one byte 'g' to go on. End of file on either side means that the other one has gone.
 */
#include "init.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

enum message_type { MESSAGE_PID = 1, MESSAGE_HOOKS, MESSAGE_READY, MESSAGE_WARNING, MESSAGE_ERROR, MESSAGE_SECCOMP };
enum { STEP_BYTES_MAX = 64, GO = 'g' };

int fail(struct init *init, int error, const char *step, const char *format, ...)
{
	va_list arguments;

	init->step = step;
	va_start(arguments, format);
	(void)vsnprintf(init->detail, sizeof(init->detail), format, arguments);
	va_end(arguments);
	return -error;
}

static void send_message(const struct init *init, enum message_type type, const void *payload, size_t size)
{
	uint8_t message[sizeof(uint32_t) + 1 + sizeof(uint32_t) * 2 + STEP_BYTES_MAX + DETAIL_BYTES_MAX];
	uint32_t rest = (uint32_t)(1 + size);

	if (init->sync_fd < 0)
		return;
	memcpy(message, &rest, sizeof(rest));
	message[sizeof(rest)] = (uint8_t)type;
	if (size > 0)
		memcpy(message + sizeof(rest) + 1, payload, size);
	(void)send(init->sync_fd, message, sizeof(rest) + rest, MSG_NOSIGNAL);
}

void report_pid(const struct init *init, uint32_t pid)
{
	send_message(init, MESSAGE_PID, &pid, sizeof(pid));
}

void report_ready(const struct init *init)
{
	send_message(init, MESSAGE_READY, NULL, 0);
}

/* u32 errno, u32 size of the step's name, the name, then the detail. */
static void send_trouble(const struct init *init, enum message_type type, int error, const char *step, const char *detail)
{
	uint8_t payload[sizeof(uint32_t) * 2 + STEP_BYTES_MAX + DETAIL_BYTES_MAX];
	uint32_t error_number = (uint32_t)error;
	uint32_t step_size = (uint32_t)strnlen(step, STEP_BYTES_MAX);
	size_t detail_size = strnlen(detail, DETAIL_BYTES_MAX);
	uint8_t *at = payload;

	memcpy(at, &error_number, sizeof(error_number));
	at += sizeof(error_number);
	memcpy(at, &step_size, sizeof(step_size));
	at += sizeof(step_size);
	memcpy(at, step, step_size);
	at += step_size;
	memcpy(at, detail, detail_size);
	at += detail_size;
	send_message(init, type, payload, (size_t)(at - payload));
}

/* "exec /bin/x: exec format error": strerror begins with a capital, Go's texts do not. */
static void print_failure(const struct init *init, int error)
{
	const char *text = strerrordesc_np(error);

	if (!text || !*text)
		text = "unknown error";
	dprintf(STDERR_FILENO, "%s %s: %c%s\n", init->step ? init->step : "init", init->detail, tolower((unsigned char)text[0]), text + 1);
}

void report_failure(const struct init *init, int error)
{
	if (init->sync_fd < 0)
		print_failure(init, error);
	else
		send_trouble(init, MESSAGE_ERROR, error, init->step ? init->step : "init", init->detail);
}

void report_warning(const struct init *init, int error, const char *step, const char *detail)
{
	send_trouble(init, MESSAGE_WARNING, error, step, detail);
}

static int wait_for_go(struct init *init, const char *step)
{
	char answer = 0;
	ssize_t r;

	do {
		r = recv(init->sync_fd, &answer, 1, 0);
	} while (r < 0 && errno == EINTR);
	if (r == 1 && answer == GO)
		return 0;
	return fail(init, r < 0 ? errno : ECANCELED, step, "the runtime has gone");
}

int report_hooks(struct init *init)
{
	send_message(init, MESSAGE_HOOKS, NULL, 0);
	return wait_for_go(init, "hooks");
}

int report_seccomp_listener(struct init *init, int fd)
{
	uint32_t number = (uint32_t)fd;

	send_message(init, MESSAGE_SECCOMP, &number, sizeof(number));
	return wait_for_go(init, "seccomp");
}
