/*
 * Frames: u32 length of the payload, u8 type, three zero bytes, u32 sequence, payload; all numbers little-endian. A client that breaks the
 * rules, or does not read its answers, loses its connection and nothing else happens.
 */
#define _GNU_SOURCE
#include "control.h"

#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>

enum { STATUS_BYTES = 40, HELLO_BYTES = 12 };

static const char magic[8] = "DRAYMON1";

static uint32_t get_u32(const uint8_t *bytes)
{
	return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint16_t get_u16(const uint8_t *bytes)
{
	return (uint16_t)(bytes[0] | bytes[1] << 8);
}

static void put_u32(uint8_t *bytes, uint32_t number)
{
	for (int i = 0; i < 4; i++)
		bytes[i] = (uint8_t)(number >> (8 * i));
}

static void put_u64(uint8_t *bytes, uint64_t number)
{
	put_u32(bytes, (uint32_t)number);
	put_u32(bytes + 4, (uint32_t)(number >> 32));
}

static void drop(struct control_client *client)
{
	mon_watch_close(client->server->loop, &client->watch);
	client->size = 0;
	client->said_hello = false;
}

static void send_frame(struct control_client *client, uint8_t type, uint32_t sequence, const uint8_t *payload, size_t size)
{
	uint8_t frame[CONTROL_HEADER_BYTES + STATUS_BYTES] = { 0 };
	size_t total = CONTROL_HEADER_BYTES + size;

	if (client->watch.fd < 0)
		return;
	put_u32(frame, (uint32_t)size);
	frame[4] = type;
	put_u32(frame + 8, sequence);
	memcpy(frame + CONTROL_HEADER_BYTES, payload, size);
	if (send(client->watch.fd, frame, total, MSG_DONTWAIT | MSG_NOSIGNAL) != (ssize_t)total)
		drop(client);
}

static void send_status(struct control_client *client, uint32_t sequence)
{
	uint8_t payload[STATUS_BYTES];
	struct control_status status = { 0 };

	client->server->actions->status(client->server->owner, &status);
	put_u32(payload, status.flags);
	put_u32(payload + 4, status.pid);
	put_u32(payload + 8, status.command_status);
	put_u32(payload + 12, status.exit_status);
	put_u64(payload + 16, status.exited_at_ns);
	put_u64(payload + 24, status.lost_bytes);
	put_u32(payload + 32, status.oom_kills);
	put_u32(payload + 36, status.monitor_pid);
	send_frame(client, CONTROL_STATUS_REPORT, sequence, payload, sizeof payload);
}

static void send_result(struct control_client *client, uint32_t sequence, int result)
{
	uint8_t payload[4];

	put_u32(payload, (uint32_t)-result);
	send_frame(client, CONTROL_RESULT, sequence, payload, sizeof payload);
}

static void send_hello(struct control_client *client, uint32_t sequence)
{
	uint8_t payload[HELLO_BYTES];

	memcpy(payload, magic, sizeof magic);
	put_u32(payload + sizeof magic, CONTROL_VERSION);
	send_frame(client, CONTROL_HELLO_REPLY, sequence, payload, sizeof payload);
}

static void handle_hello(struct control_client *client, uint32_t sequence, const uint8_t *payload, size_t size)
{
	if (size != HELLO_BYTES || memcmp(payload, magic, sizeof magic) != 0 || get_u32(payload + sizeof magic) != CONTROL_VERSION) {
		drop(client);
		return;
	}
	send_hello(client, sequence);
	client->said_hello = true;
	send_status(client, 0);
}

static int watch_oom(struct control_server *server, uint8_t *payload, size_t size)
{
	uint32_t version = get_u32(payload);

	payload[size] = '\0'; /* the buffer has one byte more than a payload may have */
	if ((version != 1 && version != 2) || payload[4] != '/' || strlen((char *)payload + 4) != size - 4)
		return -EINVAL;
	return server->actions->watch_oom(server->owner, version, (char *)payload + 4);
}

/* The result of a request, or -EPROTO for one that does not exist or has the wrong size. */
static int perform(struct control_server *server, uint8_t type, uint8_t *payload, size_t size)
{
	const struct control_actions *actions = server->actions;

	switch (type) {
	case CONTROL_WATCH:
		return size != 4 ? -EPROTO : actions->watch(server->owner, get_u32(payload));
	case CONTROL_RESIZE:
		return size != 4 ? -EPROTO : actions->resize(server->owner, get_u16(payload), get_u16(payload + 2));
	case CONTROL_CLOSE_STDIN:
		return size != 0 ? -EPROTO : actions->close_stdin(server->owner);
	case CONTROL_SIGNAL:
		return size != 4 ? -EPROTO : actions->signal(server->owner, get_u32(payload));
	case CONTROL_TAKEN:
		return size != 0 ? -EPROTO : actions->taken(server->owner);
	case CONTROL_QUIT:
		return size != 0 ? -EPROTO : actions->quit(server->owner);
	case CONTROL_WATCH_OOM:
		return size < 6 ? -EPROTO : watch_oom(server, payload, size);
	default:
		return -EPROTO;
	}
}

static void handle(struct control_client *client, uint8_t type, uint32_t sequence, uint8_t *payload, size_t size)
{
	int result;

	if (type == CONTROL_HELLO) {
		handle_hello(client, sequence, payload, size);
		return;
	}
	if (!client->said_hello) {
		drop(client);
		return;
	}
	if (type == CONTROL_STATUS && size == 0) {
		send_status(client, sequence);
		return;
	}
	result = perform(client->server, type, payload, size);
	if (result == -EPROTO)
		drop(client);
	else
		send_result(client, sequence, result);
}

/* Handles the first whole frame. Returns whether there was one. */
static bool handle_next(struct control_client *client)
{
	uint8_t *bytes = client->bytes;
	uint8_t payload[CONTROL_PAYLOAD_BYTES_MAX + 1];
	uint32_t size, sequence;
	uint8_t type = bytes[4];

	if (client->size < CONTROL_HEADER_BYTES)
		return false;
	size = get_u32(bytes);
	sequence = get_u32(bytes + 8);
	if (size > CONTROL_PAYLOAD_BYTES_MAX || bytes[5] != 0 || bytes[6] != 0 || bytes[7] != 0) {
		drop(client);
		return false;
	}
	if (client->size < CONTROL_HEADER_BYTES + size)
		return false;
	memcpy(payload, bytes + CONTROL_HEADER_BYTES, size);
	client->size -= CONTROL_HEADER_BYTES + size;
	memmove(bytes, bytes + CONTROL_HEADER_BYTES + size, client->size);
	handle(client, type, sequence, payload, size);
	return client->watch.fd >= 0;
}

static void on_client(struct mon_watch *watch, uint32_t events)
{
	struct control_client *client = watch->owner;
	ssize_t got = recv(watch->fd, client->bytes + client->size, CONTROL_HEADER_BYTES + CONTROL_PAYLOAD_BYTES_MAX - client->size, MSG_DONTWAIT);

	(void)events;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		drop(client);
		return;
	}
	client->size += (size_t)got;
	while (handle_next(client))
		continue;
}

/* A free place, made by dropping somebody who has not introduced himself when all are taken. */
static struct control_client *find_place(struct control_server *server)
{
	struct control_client *stranger = NULL;

	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &server->clients[i];

		if (client->watch.fd < 0)
			return client;
		if (!client->said_hello)
			stranger = client;
	}
	if (stranger != NULL)
		drop(stranger);
	return stranger;
}

static int add_client(struct control_server *server, int fd)
{
	struct control_client *client = find_place(server);

	if (client == NULL)
		return -EMFILE;
	client->watch.fd = fd;
	return mon_arm(server->loop, &client->watch, EPOLLIN);
}

static void on_listener(struct mon_watch *watch, uint32_t events)
{
	int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	(void)events;
	if (fd >= 0 && add_client(watch->owner, fd) < 0)
		(void)close(fd);
}

int control_open(struct control_server *server, struct mon_loop *loop, const char *path, int connected_fd, const struct control_actions *actions, void *owner)
{
	int result = 0;

	server->loop = loop;
	server->actions = actions;
	server->owner = owner;
	server->listener = (struct mon_watch){ .fd = -EBADF, .handler = on_listener, .owner = server };
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		struct control_client *client = &server->clients[i];

		client->watch = (struct mon_watch){ .fd = -EBADF, .handler = on_client, .owner = client };
		client->server = server;
	}
	if (connected_fd >= 0)
		result = add_client(server, connected_fd);
	if (result < 0 || path == NULL)
		return result;
	server->path = path;
	result = mon_listen_unix(path, 0600, CONTROL_CLIENTS_MAX, &server->listener.fd);
	return result < 0 ? result : mon_arm(loop, &server->listener, EPOLLIN);
}

void control_report(struct control_server *server)
{
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		if (server->clients[i].said_hello)
			send_status(&server->clients[i], 0);
	}
}

void control_close(struct control_server *server)
{
	if (server->loop == NULL)
		return;
	if (server->path != NULL && server->listener.fd >= 0)
		(void)unlink(server->path);
	mon_watch_close(server->loop, &server->listener);
	for (int i = 0; i < CONTROL_CLIENTS_MAX; i++)
		drop(&server->clients[i]);
}
