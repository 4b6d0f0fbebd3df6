/* Copies one descriptor to another without blocking: by splice between pipes, through a buffer otherwise. */
#ifndef DRAY_MONITOR_COPY_H
#define DRAY_MONITOR_COPY_H

#include "base.h"

struct mon_copy {
	struct mon_loop *loop;
	struct mon_watch in, out;
	bool is_open;          /* neither end of input nor an error of the output was seen */
	bool can_splice;
	bool is_terminal_in;   /* EIO of the input means that nobody has the terminal open at the moment */
	bool is_final;         /* the process has exited: a terminal that nobody has open will not come back */
	bool is_big;
	size_t head, tail;     /* what waits is buffer[head..tail) */
	uint8_t *buffer;
};

enum mon_copy_flags {
	MON_COPY_SPLICE = 1, /* both ends are pipes */
	MON_COPY_TERMINAL_IN = 2,
};

/* Takes both descriptors over; they must be non-blocking (a regular file may be the output as it is). Returns 0 or -errno. */
int mon_copy_open(struct mon_copy *copy, struct mon_loop *loop, int in, int out, unsigned flags);
void mon_copy_set_final(struct mon_copy *copy);
/* Moves what can be moved now without waiting, then ends the copy. */
void mon_copy_finish(struct mon_copy *copy);
void mon_copy_relax(struct mon_copy *copy);
void mon_copy_close(struct mon_copy *copy);

#endif
