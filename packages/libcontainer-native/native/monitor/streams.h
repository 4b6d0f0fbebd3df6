/* A process's three streams: which pipes it gets, and what happens to the bytes. */
#ifndef DRAY_MONITOR_STREAMS_H
#define DRAY_MONITOR_STREAMS_H

#include "copy.h"
#include "logger.h"
#include "options.h"
#include "uri.h"

struct streams {
	struct mon_loop *loop;
	const struct mon_options *options;
	struct mon_uri uris[3];
	bool has_terminal;
	bool has_logger;     /* stdout and stderr go to the built-in logger */
	bool console_seen;   /* the terminal's master has arrived */
	bool has_process;
	bool is_final;
	bool stdin_wanted;   /* there is a stdin FIFO, which is opened when the process exists, as the original does */
	bool stdin_closed;   /* clients have been told that no more writers are waited for */
	int stdin_writer;    /* our own writer of that FIFO: clients may come and go until CloseIO */
	int stdin_sink;      /* where its bytes will go: the process's pipe or its terminal */
	int terminal_out;    /* with a terminal, the sink that waits for the master to arrive */
	struct mon_copy copies[3];
	struct logger logger;
};

/* `streams` must be zeroed memory. */
void streams_init(struct streams *streams, struct mon_loop *loop, const struct mon_options *options);
/*
 * Opens sinks, starts loggers, makes the pipes. ret_stdio receives what the command is to be given as 0, 1 and
 * 2; the caller closes these. Returns 0 or -errno, with the number of the stream that failed in ret_stream.
 */
int streams_open(struct streams *streams, int ret_stdio[3], int *ret_stream);
/* The process exists: from now on clients may open its stdin. */
int streams_open_stdin(struct streams *streams);
/* Takes the terminal's master over and begins to copy. */
int streams_set_console(struct streams *streams, int master);
/* From now on stdin ends when its last writer leaves. */
void streams_close_stdin(struct streams *streams);
bool streams_stdin_is_open(const struct streams *streams);
/* To be called once per turn of the loop. */
void streams_turn(struct streams *streams);
/* The process has exited. */
void streams_set_final(struct streams *streams);
/* Whether everything the process and its heirs wrote is where it belongs. */
bool streams_are_done(const struct streams *streams);
/* Moves what is there, waits for nobody, closes everything. */
void streams_finish(struct streams *streams);
void streams_relax(struct streams *streams);
uint64_t streams_lost_bytes(const struct streams *streams);

#endif
