/*
 * Writes Docker's json-file records: {"log":"…\n","stream":"stdout","time":"…Z"}.
 * Line splitting follows Docker's copier: a line is cut after every 16 KiB, and the pieces of one line carry one time.
 */
#define _GNU_SOURCE
#include "json-log.h"

#include "base.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum {
	OUT_BYTES = 512 * 1024,
	/* The most one record can take: every byte as \u00xx, the attributes, and the fixed text around them. */
	RECORD_BYTES_MAX = JSON_LOG_LINE_MAX * 6 + JSON_LOG_ATTRS_MAX + 256,
	NANOS_PER_SECOND = 1000000000,
};

static const char hex[] = "0123456789abcdef";

/* The length of the valid UTF-8 sequence at `bytes`, or 0 when there is none (as Go's decoder judges: no overlong forms, no surrogates). */
static size_t utf8_size(const uint8_t *bytes, size_t size)
{
	uint8_t first = bytes[0], low = 0x80, high = 0xBF;
	size_t need;

	if (first >= 0xC2 && first <= 0xDF)
		need = 2;
	else if (first >= 0xE0 && first <= 0xEF)
		need = 3;
	else if (first >= 0xF0 && first <= 0xF4)
		need = 4;
	else
		return 0;
	if (first == 0xE0)
		low = 0xA0;
	else if (first == 0xED)
		high = 0x9F;
	else if (first == 0xF0)
		low = 0x90;
	else if (first == 0xF4)
		high = 0x8F;
	if (size < need || bytes[1] < low || bytes[1] > high)
		return 0;
	for (size_t i = 2; i < need; i++) {
		if ((bytes[i] & 0xC0) != 0x80)
			return 0;
	}
	return need;
}

static bool is_plain(uint8_t byte)
{
	return byte >= 0x20 && byte < 0x80 && byte != '"' && byte != '\\' && byte != '<' && byte != '>' && byte != '&';
}

static size_t escape_ascii(uint8_t *out, uint8_t byte)
{
	out[0] = '\\';
	if (byte == '"' || byte == '\\') {
		out[1] = byte;
		return 2;
	}
	if (byte == '\n' || byte == '\r') {
		out[1] = byte == '\n' ? 'n' : 'r';
		return 2;
	}
	memcpy(out + 1, "u00", 3);
	out[4] = (uint8_t)hex[byte >> 4];
	out[5] = (uint8_t)hex[byte & 15];
	return 6;
}

/* Writes the sequence at `bytes` and says through ret_used how many bytes it was. */
static size_t escape_wide(uint8_t *out, const uint8_t *bytes, size_t size, size_t *ret_used)
{
	size_t length = utf8_size(bytes, size);

	*ret_used = length == 0 ? 1 : length;
	if (length == 0) {
		memcpy(out, "\\ufffd", 6);
		return 6;
	}
	/* U+2028 and U+2029 end a line in JavaScript source. */
	if (length == 3 && bytes[0] == 0xE2 && bytes[1] == 0x80 && (bytes[2] & 0xFE) == 0xA8) {
		memcpy(out, "\\u202", 5);
		out[5] = (uint8_t)hex[bytes[2] & 15];
		return 6;
	}
	memcpy(out, bytes, length);
	return length;
}

size_t json_log_escape(uint8_t *out, const uint8_t *bytes, size_t size)
{
	size_t written = 0, i = 0;

	while (i < size) {
		size_t start = i, used = 1;

		while (i < size && is_plain(bytes[i]))
			i++;
		memcpy(out + written, bytes + start, i - start);
		written += i - start;
		if (i == size)
			break;
		if (bytes[i] < 0x80)
			written += escape_ascii(out + written, bytes[i]);
		else
			written += escape_wide(out + written, bytes + i, size - i, &used);
		i += used;
	}
	return written;
}

static size_t append(uint8_t *out, const char *text, size_t size)
{
	memcpy(out, text, size);
	return size;
}

#define APPEND_TEXT(out, literal) append((out), "" literal, sizeof(literal) - 1)

/* RFC 3339 in UTC; the fraction has no trailing zeroes and is left out when it is zero, as Go writes it. */
static size_t append_time(struct json_log *log, uint8_t *out, uint64_t now)
{
	uint64_t second = now / NANOS_PER_SECOND, nanos = now % NANOS_PER_SECOND;
	size_t size = 19, digits = 9;

	if (second != log->second) {
		time_t seconds = (time_t)second;
		struct tm parts;

		(void)gmtime_r(&seconds, &parts);
		(void)strftime(log->second_text, sizeof log->second_text, "%Y-%m-%dT%H:%M:%S", &parts);
		log->second = second;
	}
	memcpy(out, log->second_text, size);
	if (nanos != 0) {
		while (nanos % 10 == 0) {
			nanos /= 10;
			digits--;
		}
		out[size] = '.';
		for (size_t i = digits; i > 0; i--, nanos /= 10)
			out[size + i] = (uint8_t)('0' + nanos % 10);
		size += 1 + digits;
	}
	out[size] = 'Z';
	return size + 1;
}

static int open_log_file(struct json_log *log, int flags)
{
	struct stat found;

	log->fd = open(log->options.path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | flags, 0640);
	if (log->fd < 0)
		return -errno;
	log->file_size = fstat(log->fd, &found) == 0 ? (uint64_t)found.st_size : 0;
	return 0;
}

/* A batch is in the file whole or not at all: what a full disk took of it is cut off again, so that every line stays readable. */
static void flush(struct json_log *log)
{
	uint64_t before;

	if (log->out_size == 0)
		return;
	/* A file that could not be opened after a rotation gets another chance with each batch. */
	if (log->fd < 0 && open_log_file(log, 0) == 0)
		log->file_size += log->out_size;
	before = log->file_size - log->out_size;
	if (log->fd < 0 || mon_write_all(log->fd, log->out, log->out_size) < 0) {
		if (log->fd >= 0)
			(void)!ftruncate(log->fd, (off_t)before);
		log->lost += log->out_size;
		log->file_size = before;
	}
	log->out_size = 0;
}

static void rename_numbered(const char *path, uint32_t from, uint32_t to)
{
	char old[PATH_MAX], new[PATH_MAX];

	(void)(from == 0 ? snprintf(old, sizeof old, "%s", path) : snprintf(old, sizeof old, "%s.%u", path, from));
	(void)snprintf(new, sizeof new, "%s.%u", path, to);
	(void)rename(old, new);
}

static void rotate(struct json_log *log)
{
	flush(log);
	mon_close(&log->fd);
	log->file_size = 0;
	for (uint32_t number = log->options.files_max - 1; number > 0; number--)
		rename_numbered(log->options.path, number - 1, number);
	(void)open_log_file(log, O_TRUNC);
}

static void write_record(struct json_log *log, struct json_log_stream *stream, const uint8_t *line, size_t size, bool is_whole, uint64_t now)
{
	size_t at;

	if (log->options.size_max != 0 && log->file_size >= log->options.size_max)
		rotate(log);
	if (OUT_BYTES - log->out_size < RECORD_BYTES_MAX)
		flush(log);
	at = log->out_size;
	at += APPEND_TEXT(log->out + at, "{\"log\":\"");
	at += json_log_escape(log->out + at, line, size);
	if (is_whole)
		at += APPEND_TEXT(log->out + at, "\\n");
	at += APPEND_TEXT(log->out + at, "\",\"stream\":\"");
	at += append(log->out + at, stream->name, strlen(stream->name));
	at += APPEND_TEXT(log->out + at, "\"");
	if (log->attrs_size > 0) {
		at += APPEND_TEXT(log->out + at, ",\"attrs\":");
		at += append(log->out + at, log->options.attrs, log->attrs_size);
	}
	at += APPEND_TEXT(log->out + at, ",\"time\":\"");
	at += append_time(log, log->out + at, now);
	at += APPEND_TEXT(log->out + at, "\"}\n");
	log->file_size += at - log->out_size;
	log->out_size = at;
}

static void write_line(struct json_log *log, struct json_log_stream *stream, const uint8_t *line, size_t size, bool is_whole)
{
	uint64_t now = stream->in_partial ? stream->partial_time : mon_now_ns();

	write_record(log, stream, line, size, is_whole, now);
	stream->in_partial = !is_whole;
	stream->partial_time = now;
}

/* Takes bytes of a line that has no newline yet; returns how many were taken. */
static size_t keep_unfinished(struct json_log *log, struct json_log_stream *stream, const uint8_t *bytes, size_t size)
{
	size_t room = JSON_LOG_LINE_MAX - stream->size;
	size_t taken = size < room ? size : room;

	memcpy(stream->line + stream->size, bytes, taken);
	stream->size += taken;
	if (stream->size == JSON_LOG_LINE_MAX) {
		write_line(log, stream, stream->line, stream->size, false);
		stream->size = 0;
	}
	return taken;
}

/* Takes bytes up to and without the newline; returns how many were taken (all of them, unless the line is too long). */
static size_t finish_line(struct json_log *log, struct json_log_stream *stream, const uint8_t *bytes, size_t size)
{
	if (stream->size + size >= JSON_LOG_LINE_MAX)
		return keep_unfinished(log, stream, bytes, size);
	if (stream->size == 0) {
		write_line(log, stream, bytes, size, true);
		return size + 1;
	}
	memcpy(stream->line + stream->size, bytes, size);
	write_line(log, stream, stream->line, stream->size + size, true);
	stream->size = 0;
	return size + 1;
}

void json_log_feed(struct json_log *log, int stream_index, const uint8_t *bytes, size_t size)
{
	struct json_log_stream *stream = &log->streams[stream_index];

	while (size > 0) {
		const uint8_t *newline = memchr(bytes, '\n', size);
		size_t taken = newline == NULL ? keep_unfinished(log, stream, bytes, size)
					       : finish_line(log, stream, bytes, (size_t)(newline - bytes));

		bytes += taken;
		size -= taken;
	}
	flush(log);
}

void json_log_end(struct json_log *log, int stream_index)
{
	struct json_log_stream *stream = &log->streams[stream_index];

	if (stream->size > 0)
		write_line(log, stream, stream->line, stream->size, false);
	stream->size = 0;
	flush(log);
}

int json_log_open(struct json_log *log, const struct json_log_options *options)
{
	log->options = *options;
	log->attrs_size = options->attrs != NULL ? strlen(options->attrs) : 0;
	log->fd = -EBADF;
	log->second = UINT64_MAX;
	log->streams[0].name = "stdout";
	log->streams[1].name = "stderr";
	if (log->attrs_size > JSON_LOG_ATTRS_MAX)
		return -E2BIG;
	if (options->files_max < 1 || strlen(options->path) + 16 > PATH_MAX)
		return -EINVAL;
	log->out = mon_pages_new(OUT_BYTES);
	if (log->out == NULL)
		return -ENOMEM;
	return open_log_file(log, 0);
}

void json_log_close(struct json_log *log)
{
	flush(log);
	mon_close(&log->fd);
}

void json_log_relax(struct json_log *log)
{
	mon_pages_forget(log->out, OUT_BYTES);
}
