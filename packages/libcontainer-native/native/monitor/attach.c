/* Serves the attach socket. All writes are non-blocking; what a client does not take is kept for it, up to a bound. */
#define _GNU_SOURCE
#include "attach.h"

#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>

enum { FRAME_HEADER_BYTES = 8, BACKLOG_PAGES_BYTES = ATTACH_BACKLOG_BYTES + ATTACH_CHUNK_BYTES_MAX + FRAME_HEADER_BYTES };

static const char magic[8] = "DRAYATT1";

static size_t backlog_size(const struct attach_client *client)
{
	return client->tail - client->head;
}

/* The memory stays until the sweep, because events for it may still be under way. */
static void drop(struct attach_client *client)
{
	mon_watch_close(client->server->loop, &client->watch);
}

static uint32_t wanted_events(const struct attach_client *client)
{
	/* A live client's input is not read; its full hang-up (EPOLLHUP) is reported whatever is asked for. */
	if (!client->is_live)
		return EPOLLIN;
	return backlog_size(client) > 0 ? EPOLLOUT : EPOLLERR;
}

static void rearm(struct attach_client *client)
{
	if (client->watch.fd >= 0 && mon_arm(client->server->loop, &client->watch, wanted_events(client)) < 0)
		drop(client);
}

static void let_go_when_done(struct attach_client *client)
{
	if (client->server->is_ended && backlog_size(client) == 0)
		drop(client);
}

static bool has_stream(const struct attach_client *client, int stream)
{
	return client->watch.fd >= 0 && client->is_live && (client->request[8] & (1U << stream)) != 0;
}

static bool is_framed(const struct attach_client *client)
{
	return client->request[9] == 1;
}

static bool request_is_valid(const uint8_t *request)
{
	static const uint8_t zeroes[6];

	return memcmp(request, magic, sizeof magic) == 0 && (request[8] & ~3U) == 0 && request[9] <= 1 && memcmp(request + 10, zeroes, 6) == 0;
}

static void read_request(struct attach_client *client)
{
	ssize_t got = recv(client->watch.fd, client->request + client->request_size, ATTACH_REQUEST_BYTES - client->request_size, MSG_DONTWAIT);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got > 0)
		client->request_size += (size_t)got;
	if (got > 0 && client->request_size < ATTACH_REQUEST_BYTES)
		return;
	if (got <= 0 || !request_is_valid(client->request) || send(client->watch.fd, "K", 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) {
		drop(client);
		return;
	}
	client->is_live = true;
	let_go_when_done(client);
}

static void send_backlog(struct attach_client *client)
{
	while (backlog_size(client) > 0) {
		ssize_t sent = send(client->watch.fd, client->backlog + client->head, backlog_size(client), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0) {
			if (errno != EAGAIN)
				drop(client);
			return;
		}
		client->head += (size_t)sent;
	}
	client->head = 0;
	client->tail = 0;
	mon_pages_forget(client->backlog, BACKLOG_PAGES_BYTES);
	let_go_when_done(client);
}

static void on_client(struct mon_watch *watch, uint32_t events)
{
	struct attach_client *client = watch->owner;

	if ((events & (EPOLLHUP | EPOLLERR)) != 0)
		drop(client);
	else if (!client->is_live)
		read_request(client);
	else
		send_backlog(client);
	rearm(client);
}

static void add_client(struct attach_server *server, int fd)
{
	struct attach_client *client = calloc(1, sizeof *client);

	if (client == NULL) {
		(void)close(fd);
		return;
	}
	client->server = server;
	client->watch = (struct mon_watch){ .fd = fd, .handler = on_client, .owner = client };
	server->clients[server->client_count++] = client;
	rearm(client);
}

static void on_listener(struct mon_watch *watch, uint32_t events)
{
	struct attach_server *server = watch->owner;
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd < 0)
		return;
	if (server->client_count == ATTACH_CLIENTS_MAX)
		(void)close(fd);
	else
		add_client(server, fd);
}

int attach_open(struct attach_server *server, struct mon_loop *loop, const char *path)
{
	int result;

	server->loop = loop;
	server->listener = (struct mon_watch){ .fd = -EBADF, .handler = on_listener, .owner = server };
	server->path = strdup(path);
	if (server->path == NULL)
		return -ENOMEM;
	result = mon_listen_unix(path, 0600, 64, &server->listener.fd);
	return result < 0 ? result : mon_arm(loop, &server->listener, EPOLLIN);
}

static int keep(struct attach_client *client, const uint8_t *bytes, size_t size)
{
	if (client->backlog == NULL)
		client->backlog = mon_pages_new(BACKLOG_PAGES_BYTES);
	if (client->backlog == NULL)
		return -ENOMEM;
	if (client->tail + size > BACKLOG_PAGES_BYTES) {
		memmove(client->backlog, client->backlog + client->head, backlog_size(client));
		client->tail -= client->head;
		client->head = 0;
	}
	memcpy(client->backlog + client->tail, bytes, size);
	client->tail += size;
	return 0;
}

/* Sends both parts at once where nothing waits already; keeps the rest. */
static int send_or_keep(struct attach_client *client, const struct iovec parts[2])
{
	struct msghdr message = { .msg_iov = (struct iovec *)parts, .msg_iovlen = 2 };
	ssize_t sent = backlog_size(client) > 0 ? 0 : sendmsg(client->watch.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
	int result = 0;

	if (sent < 0 && errno != EAGAIN && errno != EINTR)
		return -errno;
	for (int i = 0; i < 2 && result == 0; i++) {
		size_t skipped = sent > 0 ? ((size_t)sent < parts[i].iov_len ? (size_t)sent : parts[i].iov_len) : 0;

		sent -= (ssize_t)skipped;
		if (skipped < parts[i].iov_len)
			result = keep(client, (const uint8_t *)parts[i].iov_base + skipped, parts[i].iov_len - skipped);
	}
	return result;
}

void attach_broadcast(struct attach_server *server, int stream, const uint8_t *bytes, size_t size)
{
	const uint8_t header[FRAME_HEADER_BYTES] = { (uint8_t)(stream + 1), 0, 0, 0, (uint8_t)(size >> 24), (uint8_t)(size >> 16), (uint8_t)(size >> 8), (uint8_t)size };

	for (int i = 0; i < server->client_count; i++) {
		struct attach_client *client = server->clients[i];
		const struct iovec parts[2] = {
			{ .iov_base = (void *)header, .iov_len = is_framed(client) ? sizeof header : 0 },
			{ .iov_base = (void *)bytes, .iov_len = size },
		};

		if (!has_stream(client, stream))
			continue;
		if (send_or_keep(client, parts) < 0)
			drop(client);
		rearm(client);
	}
}

bool attach_is_congested(const struct attach_server *server)
{
	for (int i = 0; i < server->client_count; i++) {
		const struct attach_client *client = server->clients[i];

		if (client->watch.fd >= 0 && backlog_size(client) >= ATTACH_BACKLOG_BYTES)
			return true;
	}
	return false;
}

void attach_end(struct attach_server *server)
{
	if (server->is_ended)
		return;
	server->is_ended = true;
	for (int i = 0; i < server->client_count; i++) {
		if (server->clients[i]->is_live)
			let_go_when_done(server->clients[i]);
	}
}

bool attach_is_drained(const struct attach_server *server)
{
	for (int i = 0; i < server->client_count; i++) {
		if (server->clients[i]->watch.fd >= 0 && server->clients[i]->is_live)
			return false;
	}
	return true;
}

static void free_client(struct attach_client *client)
{
	if (client->backlog != NULL)
		(void)munmap(client->backlog, BACKLOG_PAGES_BYTES);
	free(client);
}

void attach_sweep(struct attach_server *server)
{
	int kept = 0;

	for (int i = 0; i < server->client_count; i++) {
		if (server->clients[i]->watch.fd >= 0)
			server->clients[kept++] = server->clients[i];
		else
			free_client(server->clients[i]);
	}
	server->client_count = kept;
}

void attach_close(struct attach_server *server)
{
	for (int i = 0; i < server->client_count; i++)
		drop(server->clients[i]);
	attach_sweep(server);
	if (server->path != NULL) {
		if (server->listener.fd >= 0)
			(void)unlink(server->path);
		mon_watch_close(server->loop, &server->listener);
		free(server->path);
		server->path = NULL;
	}
}
