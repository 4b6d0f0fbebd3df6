/* Docker's json-file log format, and its rotation. */
#ifndef DRAY_MONITOR_JSON_LOG_H
#define DRAY_MONITOR_JSON_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	JSON_LOG_LINE_MAX = 16 * 1024, /* a longer line is written as several records, all but the last without a newline */
	JSON_LOG_ATTRS_MAX = 64 * 1024,
};

struct json_log_options {
	const char *path;
	uint64_t size_max;  /* bytes; 0: never rotated */
	uint32_t files_max; /* how many files there are in all; 1: the file is begun anew */
	const char *attrs;  /* a JSON object that is copied into every record, or NULL */
};

/* One stream's unfinished line. */
struct json_log_stream {
	const char *name;
	size_t size;
	bool in_partial;      /* earlier pieces of this line were written already … */
	uint64_t partial_time; /* … with this time, which all pieces share */
	uint8_t line[JSON_LOG_LINE_MAX];
};

struct json_log {
	struct json_log_options options;
	size_t attrs_size;
	int fd;
	uint64_t file_size; /* including what waits in `out` */
	uint64_t lost;      /* bytes of records that could not be written */
	uint64_t second;    /* the second that `second_text` names */
	char second_text[20];
	size_t out_size;
	uint8_t *out;
	struct json_log_stream streams[2]; /* stdout, stderr */
};

/* `log` must be zeroed memory. Opens (or creates, 0640) the file. Returns 0 or -errno. */
int json_log_open(struct json_log *log, const struct json_log_options *options);
/* Takes a piece of output. Complete lines are in the file when this returns, unless the disk refuses them (see `lost`). */
void json_log_feed(struct json_log *log, int stream, const uint8_t *bytes, size_t size);
/* The stream has ended: an unfinished line is written as it is. */
void json_log_end(struct json_log *log, int stream);
void json_log_close(struct json_log *log);
/* Gives memory back that only a burst needed. */
void json_log_relax(struct json_log *log);

/* Exported for tests: appends `size` bytes as a JSON string without its quotes; `out` must have room for 6 times as much. */
size_t json_log_escape(uint8_t *out, const uint8_t *bytes, size_t size);

#endif
