/* The copy of copy.h. Level-triggered: an end that the other end keeps waiting is taken out of the loop meanwhile. */
#define _GNU_SOURCE
#include "copy.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

enum { BUFFER_BYTES = 64 * 1024, SPLICE_BYTES = 1 << 20, STEPS_PER_TURN = 16 };

enum step { STEP_MOVED, STEP_WAIT_IN, STEP_WAIT_OUT, STEP_WAIT_TERMINAL, STEP_END };

static bool is_ready(int fd, short events)
{
	struct pollfd probe = { .fd = fd, .events = events };

	return poll(&probe, 1, 0) > 0;
}

static enum step input_failed(const struct mon_copy *copy, int error)
{
	if (error == EINTR)
		return STEP_MOVED;
	if (error == EAGAIN)
		return STEP_WAIT_IN;
	if (error == EIO && copy->is_terminal_in && !copy->is_final)
		return STEP_WAIT_TERMINAL;
	return STEP_END;
}

static enum step splice_once(struct mon_copy *copy)
{
	ssize_t moved = splice(copy->in.fd, NULL, copy->out.fd, NULL, SPLICE_BYTES, SPLICE_F_NONBLOCK | SPLICE_F_MOVE);

	if (moved > 0) {
		/* A sixteenth of a MiB is what a pipe holds by default: the writer fills it faster than we are scheduled. */
		if (moved >= BUFFER_BYTES && !copy->is_big) {
			copy->is_big = true;
			mon_pipe_grow(copy->in.fd);
			mon_pipe_grow(copy->out.fd);
		}
		return STEP_MOVED;
	}
	if (moved < 0 && errno == EINVAL) {
		copy->can_splice = false;
		return STEP_MOVED;
	}
	if (moved == 0 || errno != EAGAIN)
		return moved < 0 && errno == EINTR ? STEP_MOVED : STEP_END;
	/* EAGAIN does not say which end is not ready. If both have become ready since, the next step moves bytes. */
	if (!is_ready(copy->in.fd, POLLIN))
		return STEP_WAIT_IN;
	return is_ready(copy->out.fd, POLLOUT) ? STEP_MOVED : STEP_WAIT_OUT;
}

static enum step fill(struct mon_copy *copy)
{
	ssize_t got = read(copy->in.fd, copy->buffer, BUFFER_BYTES);

	if (got < 0)
		return input_failed(copy, errno);
	copy->head = 0;
	copy->tail = (size_t)got;
	return got == 0 ? STEP_END : STEP_MOVED;
}

static enum step drain(struct mon_copy *copy)
{
	ssize_t written = write(copy->out.fd, copy->buffer + copy->head, copy->tail - copy->head);

	if (written < 0 && errno == EINTR)
		return STEP_MOVED;
	if (written < 0)
		return errno == EAGAIN ? STEP_WAIT_OUT : STEP_END;
	copy->head += (size_t)written;
	return STEP_MOVED;
}

static enum step step(struct mon_copy *copy)
{
	if (copy->can_splice)
		return splice_once(copy);
	if (copy->buffer == NULL)
		copy->buffer = mon_pages_new(BUFFER_BYTES);
	if (copy->buffer == NULL)
		return STEP_END;
	return copy->head < copy->tail ? drain(copy) : fill(copy);
}

static void wait_for(struct mon_copy *copy, uint32_t in, uint32_t out)
{
	if (mon_arm(copy->loop, &copy->in, in) < 0 || mon_arm(copy->loop, &copy->out, out) < 0)
		mon_copy_close(copy);
}

static void run(struct mon_copy *copy, int steps_max)
{
	for (int i = 0; i < steps_max && copy->is_open; i++) {
		switch (step(copy)) {
		case STEP_MOVED:
			break;
		case STEP_WAIT_IN:
			wait_for(copy, EPOLLIN, 0);
			return;
		case STEP_WAIT_OUT:
			wait_for(copy, 0, EPOLLOUT);
			return;
		case STEP_WAIT_TERMINAL:
			/* A program inside may open /dev/console again as long as its first process lives: wait for the next edge. */
			wait_for(copy, EPOLLIN | EPOLLET, 0);
			return;
		case STEP_END:
			mon_copy_close(copy);
			return;
		}
	}
	if ((copy->in.armed & EPOLLET) != 0)
		wait_for(copy, EPOLLIN, 0);
}

static void on_ready(struct mon_watch *watch, uint32_t events)
{
	(void)events;
	run(watch->owner, STEPS_PER_TURN);
}

int mon_copy_open(struct mon_copy *copy, struct mon_loop *loop, int in, int out, unsigned flags)
{
	*copy = (struct mon_copy){
		.loop = loop,
		.in = { .fd = in, .handler = on_ready, .owner = copy },
		.out = { .fd = out, .handler = on_ready, .owner = copy },
		.is_open = true,
		.can_splice = (flags & MON_COPY_SPLICE) != 0,
		.is_terminal_in = (flags & MON_COPY_TERMINAL_IN) != 0,
	};
	return mon_arm(loop, &copy->in, EPOLLIN);
}

void mon_copy_set_final(struct mon_copy *copy)
{
	copy->is_final = true;
	/* A terminal that was left for its next edge must be looked at again: its end may have been seen already. */
	if (copy->is_open && copy->is_terminal_in && copy->in.armed != 0)
		(void)mon_arm(copy->loop, &copy->in, EPOLLIN);
}

void mon_copy_finish(struct mon_copy *copy)
{
	copy->is_final = true;
	run(copy, SPLICE_BYTES / BUFFER_BYTES * 2);
	mon_copy_close(copy);
}

void mon_copy_relax(struct mon_copy *copy)
{
	if (copy->head == copy->tail)
		mon_pages_forget(copy->buffer, BUFFER_BYTES);
}

void mon_copy_close(struct mon_copy *copy)
{
	copy->is_open = false;
	mon_watch_close(copy->loop, &copy->in);
	mon_watch_close(copy->loop, &copy->out);
}
