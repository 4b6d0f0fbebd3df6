/*
 * The attach socket: hands live output to any number of clients. A client sends one 16-byte request, gets the byte 'K', then output until the
 * process's output ends. The request: "DRAYATT1", a mask of streams (bit 0 stdout, bit 1 stderr), 1 for Docker's multiplex frames or 0 for raw
 * bytes, six zero bytes. A request that is not that closes the connection.
 */
#ifndef DRAY_MONITOR_ATTACH_H
#define DRAY_MONITOR_ATTACH_H

#include "base.h"

enum {
	ATTACH_REQUEST_BYTES = 16,
	ATTACH_CLIENTS_MAX = 256,
	ATTACH_BACKLOG_BYTES = 1 << 20,        /* a client that is further behind pauses the container's output */
	ATTACH_CHUNK_BYTES_MAX = 64 * 1024,    /* the most one broadcast may carry */
};

struct attach_server;

struct attach_client {
	struct mon_watch watch;
	struct attach_server *server;
	uint8_t request[ATTACH_REQUEST_BYTES];
	size_t request_size;
	bool is_live;   /* the request was answered */
	size_t head, tail; /* what waits is backlog[head..tail) */
	uint8_t *backlog; /* pages, or NULL while it never fell behind */
};

struct attach_server {
	struct mon_loop *loop;
	struct mon_watch listener;
	struct attach_client *clients[ATTACH_CLIENTS_MAX];
	int client_count;
	bool is_ended; /* the output has ended: clients are let go once they have everything */
	char *path;
};

/* `server` must be zeroed memory. Returns 0 or -errno. */
int attach_open(struct attach_server *server, struct mon_loop *loop, const char *path);
/* Hands a piece of stream 0 (stdout) or 1 (stderr) to every client that wants it. */
void attach_broadcast(struct attach_server *server, int stream, const uint8_t *bytes, size_t size);
/* Whether some client is so far behind that nothing more may be broadcast now. */
bool attach_is_congested(const struct attach_server *server);
/* Nothing more will come: lets clients go as soon as they have everything; a late one gets its answer and the end. */
void attach_end(struct attach_server *server);
/* Whether every client has everything and was let go. */
bool attach_is_drained(const struct attach_server *server);
/* Frees what clients that left during this turn used. To be called between turns only. */
void attach_sweep(struct attach_server *server);
/* Drops everything at once. */
void attach_close(struct attach_server *server);

#endif
