/* Applets that fit on a hand: text in, text out. */
#include "hello.h"
#include "../lib/owned.h"

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern char **environ;

int complain(const char *name, const char *subject)
{
	fprintf(stderr, "%s: %s: %s\n", name, subject, strerror(errno));
	return 1;
}

int applet_true(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

int applet_false(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

int applet_echo(int argc, char **argv)
{
	int first = argc > 1 && strcmp(argv[1], "-n") == 0 ? 2 : 1;

	for (int i = first; i < argc; i++)
		printf("%s%s", i > first ? " " : "", argv[i]);
	if (first == 1)
		putchar('\n');
	return fflush(stdout) ? complain("echo", "write") : 0;
}

int applet_env(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (char **variable = environ; *variable; variable++)
		printf("%s\n", *variable);
	return fflush(stdout) ? complain("env", "write") : 0;
}

static int write_all(const char *bytes, size_t size)
{
	while (size > 0) {
		ssize_t r = write(STDOUT_FILENO, bytes, size);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return complain("cat", "write");
		bytes += r;
		size -= (size_t)r;
	}
	return 0;
}

static int copy_to_stdout(int fd, const char *name)
{
	static char buffer[64 * 1024];
	ssize_t size;

	for (;;) {
		size = read(fd, buffer, sizeof(buffer));
		if (size == 0)
			return 0;
		if (size < 0 && errno != EINTR)
			return complain("cat", name);
		if (size > 0 && write_all(buffer, (size_t)size) != 0)
			return 1;
	}
}

int applet_cat(int argc, char **argv)
{
	int status = argc == 1 ? copy_to_stdout(STDIN_FILENO, "-") : 0;

	for (int i = 1; i < argc; i++) {
		OWNED_FD int fd = strcmp(argv[i], "-") == 0 ? dup(STDIN_FILENO) : open(argv[i], O_RDONLY | O_CLOEXEC);

		status |= fd < 0 ? complain("cat", argv[i]) : copy_to_stdout(fd, argv[i]);
	}
	return status;
}

int applet_sleep(int argc, char **argv)
{
	char *end = NULL;
	double seconds = argc == 2 ? strtod(argv[1], &end) : -1;
	struct timespec left;

	if (argc == 2 && strcmp(argv[1], "infinity") == 0)
		for (;;)
			(void)pause();
	if (argc != 2 || seconds < 0 || seconds > 1e9 || *end) {
		fprintf(stderr, "sleep: one number of seconds is wanted, or \"infinity\"\n");
		return 1;
	}
	left.tv_sec = (time_t)seconds;
	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0)
		if (errno != EINTR)
			return complain("sleep", argv[1]);
	return 0;
}

int applet_hostname(int argc, char **argv)
{
	char name[256] = "";

	(void)argc;
	(void)argv;
	if (gethostname(name, sizeof(name) - 1) < 0)
		return complain("hostname", "gethostname");
	printf("%s\n", name);
	return 0;
}

int applet_id(int argc, char **argv)
{
	gid_t groups[64];
	int count = getgroups(64, groups);

	if (argc > 1 && strcmp(argv[1], "-u") == 0) {
		printf("%u\n", geteuid());
		return 0;
	}
	printf("uid=%u gid=%u", geteuid(), getegid());
	for (int i = 0; i < count; i++)
		printf("%s%u", i == 0 ? " groups=" : ",", groups[i]);
	putchar('\n');
	return 0;
}
