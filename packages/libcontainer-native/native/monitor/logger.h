/* dray-logger: reads a process's stdout and stderr, writes its log, serves its attach socket. Runs inside the monitor or by itself. */
#ifndef DRAY_MONITOR_LOGGER_H
#define DRAY_MONITOR_LOGGER_H

#include "attach.h"
#include "json-log.h"
#include "uri.h"

struct logger;

struct logger_input {
	struct mon_watch watch;
	struct logger *logger;
	int stream;        /* 0 stdout, 1 stderr */
	bool is_terminal;  /* a pty's master: EIO means that nobody has it open at the moment */
	bool is_open;
	bool is_big;       /* the pipe was enlarged already */
};

struct logger {
	struct mon_loop *loop;
	bool has_log;
	bool has_attach;
	bool is_final;  /* the process has exited: a terminal that nobody has open will not come back */
	bool is_tty;
	struct logger_input inputs[2];
	struct attach_server attach;
	struct json_log log;
	uint8_t *chunk; /* ATTACH_CHUNK_BYTES_MAX, pages */
};

/*
 * `logger` must be zeroed memory. `pairs` are the query of the binary:// URI: driver=json-file|none, path, max-size, max-file, attach, tty,
 * attrs; they must stay alive as long as the logger. Returns 0 or -errno (-EINVAL for a pair that makes no sense).
 */
int logger_open(struct logger *logger, struct mon_loop *loop, const struct mon_pairs *pairs);
/* Takes the descriptor over, which must be non-blocking. */
int logger_add_input(struct logger *logger, int stream, int fd, bool is_terminal);
/* Reads what the loop cannot tell of: to be called once per turn. */
void logger_turn(struct logger *logger);
/* The process has exited; its output ends when everybody who inherited it has closed it. */
void logger_set_final(struct logger *logger);
/* Reads what is there now and ends the streams, whoever may still hold them open. */
void logger_finish(struct logger *logger);
/* Whether all output has ended, is on disk and was taken by every attach client. */
bool logger_is_done(const struct logger *logger);
/* Gives memory back that only a burst needed. */
void logger_relax(struct logger *logger);
void logger_close(struct logger *logger);

#endif
