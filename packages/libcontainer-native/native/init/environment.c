/* Environment variables that depend on the container, and the look-up of its program. */
#include "init.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { PASSWD_BYTES_MAX = 1 << 20, NUMBER_BYTES_MAX = 16 };

/* The last one counts, as for a shell. */
static const char *find_variable(const struct strings *env, const char *name)
{
	size_t size = strlen(name);
	const char *found = NULL;

	for (uint32_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], name, size) == 0 && env->items[i][size] == '=')
			found = env->items[i] + size + 1;
	return found;
}

/* Cuts the field up to the next ':' off `*line`. */
static char *next_field(char **line)
{
	return strsep(line, ":");
}

/* name:password:uid:gid:comment:home:shell. Returns the home directory of the first line with this uid. */
static const char *find_home(char *text, uint32_t uid)
{
	char number[NUMBER_BYTES_MAX];

	(void)snprintf(number, sizeof(number), "%u", uid);
	for (char *line = strsep(&text, "\n"); line; line = strsep(&text, "\n")) {
		char *field[6] = { NULL };
		int count = 0;

		while (count < 6 && line)
			field[count++] = next_field(&line);
		if (count == 6 && strcmp(field[2], number) == 0)
			return field[5];
	}
	return NULL;
}

/* The container's /etc/passwd as text; NULL when it is missing, no regular file, or too large to be one. */
static char *read_passwd(const struct init *init)
{
	struct stat state;
	OWNED_FD int path_fd = -EBADF;
	OWNED_FD int fd = -EBADF;
	char *text;
	ssize_t size;

	if (open_in_root(init->root_fd, "/etc/passwd", O_PATH, 0, &path_fd) < 0)
		return NULL;
	if (fstat(path_fd, &state) < 0 || !S_ISREG(state.st_mode) || state.st_size > PASSWD_BYTES_MAX)
		return NULL;
	fd = reopen(init, path_fd, O_RDONLY);
	if (fd < 0)
		return NULL;
	text = malloc((size_t)state.st_size + 1);
	if (!text)
		return NULL;
	size = read(fd, text, (size_t)state.st_size);
	text[size > 0 ? size : 0] = 0;
	return text;
}

static int add_variable(struct init *init, const char *name, const char *value)
{
	struct strings *env = &init->plan.process.env;
	size_t size = strlen(name) + strlen(value) + 2;
	char *text = malloc(size);

	if (!text)
		return fail(init, ENOMEM, "environment", "%s", name);
	(void)snprintf(text, size, "%s=%s", name, value);
	env->items[env->count++] = text; /* The decoder has left room for two. */
	return 0;
}

static void remove_variable(struct strings *env, const char *name)
{
	size_t size = strlen(name);
	uint32_t kept = 0;

	for (uint32_t i = 0; i < env->count; i++)
		if (strncmp(env->items[i], name, size) != 0 || env->items[i][size] != '=')
			env->items[kept++] = env->items[i];
	env->count = kept;
	env->items[kept] = NULL;
}

int add_variables(struct init *init)
{
	struct plan_process *process = &init->plan.process;
	const char *home = find_variable(&process->env, "HOME");
	char pid[NUMBER_BYTES_MAX];
	int r = 0;

	if (!home || !*home) {
		char *passwd = read_passwd(init);

		home = passwd ? find_home(passwd, process->uid) : NULL;
		remove_variable(&process->env, "HOME");
		r = add_variable(init, "HOME", home && *home ? home : "/");
		free(passwd);
	}
	if (r == 0 && process->has_listen_pid) {
		(void)snprintf(pid, sizeof(pid), "%d", getpid());
		remove_variable(&process->env, "LISTEN_PID");
		r = add_variable(init, "LISTEN_PID", pid);
	}
	return r;
}

/* 0, or the -errno that exec would fail with. */
static int check_program(const char *path)
{
	struct stat state;

	if (stat(path, &state) < 0)
		return -errno;
	if (S_ISDIR(state.st_mode))
		return -EISDIR;
	if (!(state.st_mode & 0111))
		return -EACCES;
	return access(path, X_OK) < 0 ? -errno : 0;
}

static int find_in_path(const char *name, const char *list, char *path, size_t capacity)
{
	while (list && *list) {
		size_t size = strcspn(list, ":");

		/* A relative entry would run what happens to lie in the working directory. */
		if (size > 0 && list[0] == '/' && snprintf(path, capacity, "%.*s/%s", (int)size, list, name) < (int)capacity && check_program(path) == 0)
			return 0;
		list += size;
		list += *list == ':';
	}
	return -ENOENT;
}

int find_program(struct init *init, char *path, size_t capacity)
{
	const char *name = init->plan.process.args.items[0];
	struct stat state;
	int r;

	if (!strchr(name, '/')) {
		r = *name ? find_in_path(name, find_variable(&init->plan.process.env, "PATH"), path, capacity) : -ENOENT;
		return r < 0 ? fail(init, -r, "lookup-path", "%s", name) : 0;
	}
	if (snprintf(path, capacity, "%s", name) >= (int)capacity)
		return fail(init, ENAMETOOLONG, "lookup", "%s", name);
	if (stat(name, &state) < 0)
		return fail(init, errno, "lookup-stat", "%s", name);
	r = check_program(name);
	return r < 0 ? fail(init, -r, "lookup", "%s", name) : 0;
}
