/* The stdio URIs of a task, as containerd defines them. */
#ifndef DRAY_MONITOR_URI_H
#define DRAY_MONITOR_URI_H

#include <stdbool.h>

enum { MON_PAIRS_MAX = 64 };

enum mon_uri_kind {
	MON_URI_NONE,   /* empty: the stream is /dev/null */
	MON_URI_FIFO,   /* no scheme, or fifo:// */
	MON_URI_FILE,   /* file:// */
	MON_URI_LOGGER, /* binary:// whose program is named dray-logger: runs inside the monitor */
	MON_URI_BINARY, /* any other binary:// */
};

/* Key and value strings in the order they were written; values may be empty. */
struct mon_pairs {
	int count;
	const char *keys[MON_PAIRS_MAX];
	const char *values[MON_PAIRS_MAX];
};

struct mon_uri {
	enum mon_uri_kind kind;
	const char *path;
	struct mon_pairs pairs;
	char *text; /* what path and pairs point into */
};

/* Returns 0 or -errno: -EPROTONOSUPPORT for a scheme that is not known, -EINVAL for a broken one, -E2BIG for too many pairs. */
int mon_uri_parse(const char *uri, struct mon_uri *ret_uri);
void mon_uri_free(struct mon_uri *uri);
/* The first value of a key, or NULL. */
const char *mon_pairs_find(const struct mon_pairs *pairs, const char *key);

#endif
