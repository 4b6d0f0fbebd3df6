/* Parses stdio URIs. Percent-decoding happens in place: decoded text is never longer than encoded text. */
#define _GNU_SOURCE
#include "uri.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char logger_name[] = "dray-logger";

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* A NUL may not appear in a path or argument, so %00 is refused. */
static int percent_decode(char *text, bool plus_is_space)
{
	char *out = text;

	for (const char *in = text; *in != '\0'; in++) {
		if (*in == '%') {
			int high = hex_digit(in[1]);
			int low = high < 0 ? -1 : hex_digit(in[2]);

			if (low < 0 || (high == 0 && low == 0))
				return -EINVAL;
			*out++ = (char)(high * 16 + low);
			in += 2;
		} else {
			*out++ = (plus_is_space && *in == '+') ? ' ' : *in;
		}
	}
	*out = '\0';
	return 0;
}

static int parse_pair(char *text, struct mon_pairs *pairs)
{
	char *value = strchr(text, '=');
	int result;

	if (*text == '\0')
		return 0;
	if (pairs->count == MON_PAIRS_MAX)
		return -E2BIG;
	if (value != NULL)
		*value++ = '\0';
	result = percent_decode(text, true);
	if (result == 0 && value != NULL)
		result = percent_decode(value, true);
	if (result < 0)
		return result;
	pairs->keys[pairs->count] = text;
	pairs->values[pairs->count] = value != NULL ? value : "";
	pairs->count++;
	return 0;
}

static int parse_query(char *query, struct mon_pairs *pairs)
{
	while (query != NULL) {
		char *next = strchr(query, '&');
		int result;

		if (next != NULL)
			*next++ = '\0';
		result = parse_pair(query, pairs);
		if (result < 0)
			return result;
		query = next;
	}
	return 0;
}

static enum mon_uri_kind binary_kind(const char *path)
{
	const char *slash = strrchr(path, '/');

	return strcmp(slash != NULL ? slash + 1 : path, logger_name) == 0 ? MON_URI_LOGGER : MON_URI_BINARY;
}

static int parse_scheme(char *text, size_t scheme_size, struct mon_uri *uri)
{
	char *path = text + scheme_size + strlen("://");
	char *query = strchr(path, '?');
	int result;

	if (query != NULL)
		*query++ = '\0';
	result = percent_decode(path, false);
	if (result == 0)
		result = parse_query(query, &uri->pairs);
	if (result < 0)
		return result;
	if (*path != '/')
		return -EINVAL;
	uri->path = path;
	if (scheme_size == 4 && memcmp(text, "fifo", 4) == 0)
		uri->kind = MON_URI_FIFO;
	else if (scheme_size == 4 && memcmp(text, "file", 4) == 0)
		uri->kind = MON_URI_FILE;
	else if (scheme_size == 6 && memcmp(text, "binary", 6) == 0)
		uri->kind = binary_kind(path);
	else
		return -EPROTONOSUPPORT;
	return 0;
}

int mon_uri_parse(const char *uri, struct mon_uri *ret_uri)
{
	struct mon_uri parsed = { .kind = MON_URI_NONE };
	const char *separator = uri == NULL ? NULL : strstr(uri, "://");
	int result = 0;

	if (uri != NULL && *uri != '\0') {
		parsed.text = strdup(uri);
		if (parsed.text == NULL)
			return -ENOMEM;
		parsed.kind = MON_URI_FIFO;
		parsed.path = parsed.text;
		/* A plain path may hold "://" further on; a scheme comes before the first slash. */
		if (separator != NULL && strchr(uri, '/') == separator + 1)
			result = parse_scheme(parsed.text, (size_t)(separator - uri), &parsed);
	}
	if (result < 0) {
		mon_uri_free(&parsed);
		return result;
	}
	*ret_uri = parsed;
	return 0;
}

void mon_uri_free(struct mon_uri *uri)
{
	free(uri->text);
	uri->text = NULL;
}

const char *mon_pairs_find(const struct mon_pairs *pairs, const char *key)
{
	for (int i = 0; i < pairs->count; i++) {
		if (strcmp(pairs->keys[i], key) == 0)
			return pairs->values[i];
	}
	return NULL;
}
