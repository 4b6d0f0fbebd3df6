/*
 * The monitor's control socket. docs/monitor-protocol.md describes the messages; src/monitor/protocol.ts is the other side.
 */
#ifndef DRAY_MONITOR_CONTROL_H
#define DRAY_MONITOR_CONTROL_H

#include "base.h"

enum {
	CONTROL_VERSION = 1,
	CONTROL_CLIENTS_MAX = 8,
	CONTROL_PAYLOAD_BYTES_MAX = 4096,
	CONTROL_HEADER_BYTES = 12,
};

enum control_request {
	CONTROL_HELLO = 1,
	CONTROL_WATCH = 2,
	CONTROL_RESIZE = 3,
	CONTROL_CLOSE_STDIN = 4,
	CONTROL_SIGNAL = 5,
	CONTROL_STATUS = 6,
	CONTROL_TAKEN = 7,
	CONTROL_QUIT = 8,
	CONTROL_WATCH_OOM = 9,
};

enum control_reply {
	CONTROL_RESULT = 0x80,
	CONTROL_HELLO_REPLY = 0x81,
	CONTROL_STATUS_REPORT = 0x82,
};

enum control_flags {
	CONTROL_COMMAND_EXITED = 1,
	CONTROL_WATCHING = 2,
	CONTROL_EXITED = 4,
	CONTROL_IO_DONE = 8,
	CONTROL_HAS_CONSOLE = 16,
	CONTROL_STDIN_OPEN = 32,
};

struct control_status {
	uint32_t flags, pid, command_status, exit_status;
	uint64_t exited_at_ns, lost_bytes;
	uint32_t oom_kills, monitor_pid;
};

/* What the monitor does on request; each returns 0 or -errno. */
struct control_actions {
	int (*watch)(void *owner, uint32_t pid);
	int (*resize)(void *owner, uint16_t width, uint16_t height);
	int (*close_stdin)(void *owner);
	int (*signal)(void *owner, uint32_t number);
	int (*taken)(void *owner);
	int (*quit)(void *owner);
	int (*watch_oom)(void *owner, uint32_t version, const char *folder);
	void (*status)(void *owner, struct control_status *ret_status);
};

struct control_server;

struct control_client {
	struct mon_watch watch;
	struct control_server *server;
	bool said_hello;
	size_t size;
	uint8_t bytes[CONTROL_HEADER_BYTES + CONTROL_PAYLOAD_BYTES_MAX + 1];
};

struct control_server {
	struct mon_loop *loop;
	const struct control_actions *actions;
	void *owner;
	const char *path; /* borrowed; NULL without a listening socket */
	struct mon_watch listener;
	struct control_client clients[CONTROL_CLIENTS_MAX];
};

/* `server` must be zeroed memory. `path` may be NULL, `connected_fd` -1. Returns 0 or -errno. */
int control_open(struct control_server *server, struct mon_loop *loop, const char *path, int connected_fd, const struct control_actions *actions, void *owner);
/* Tells every client how things stand now. */
void control_report(struct control_server *server);
void control_close(struct control_server *server);

#endif
