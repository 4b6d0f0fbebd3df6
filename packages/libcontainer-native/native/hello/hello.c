/*
 * The program of the built-in image: a greeting that tells what the container sees, and a handful of applets, so that an engine without network or
 * registry has something to run. The base name of argv[0] chooses the applet; `/hello NAME args...` does as well.
 */
#include "main.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct applet {
	const char *name;
	int (*run)(int argc, char **argv);
};

static int fail(const char *what, const char *name)
{
	fprintf(stderr, "%s: %s: %s\n", what, name, strerror(errno));
	return 1;
}

static int count_lines(const char *path)
{
	FILE *file = fopen(path, "re");
	int lines = 0;
	int character;

	if (!file)
		return -1;
	while ((character = getc(file)) != EOF)
		lines += character == '\n';
	fclose(file);
	return lines;
}

static int count_processes(void)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	int processes = 0;

	if (!directory)
		return -1;
	while ((entry = readdir(directory)))
		processes += entry->d_name[0] >= '0' && entry->d_name[0] <= '9';
	closedir(directory);
	return processes;
}

static int greet(int argc, char **argv)
{
	struct utsname system_name = { 0 };

	(void)argc;
	(void)argv;
	uname(&system_name);
	printf("Hello from a container made by Dray.\n");
	printf("  host name  %s (%s %s)\n", system_name.nodename, system_name.sysname, system_name.machine);
	printf("  process    pid %d, uid %d, gid %d, %d process(es) in sight\n", (int)getpid(), (int)getuid(), (int)getgid(), count_processes());
	printf("  mounts     %d\n", count_lines("/proc/self/mountinfo"));
	return 0;
}

static int run_echo(int argc, char **argv)
{
	int index;

	for (index = 1; index < argc; index++)
		printf("%s%s", index > 1 ? " " : "", argv[index]);
	putchar('\n');
	return 0;
}

static int copy_to_stdout(int fd, const char *name)
{
	static char buffer[64 * 1024];
	ssize_t bytes;
	ssize_t written;
	ssize_t done;

	while ((bytes = read(fd, buffer, sizeof(buffer))) > 0)
		for (done = 0; done < bytes; done += written) {
			written = write(STDOUT_FILENO, buffer + done, (size_t)(bytes - done));
			if (written < 0)
				return fail("cat", "write");
		}
	return bytes < 0 ? fail("cat", name) : 0;
}

static int run_cat(int argc, char **argv)
{
	int status = 0;
	int index;
	int fd;

	if (argc < 2)
		return copy_to_stdout(STDIN_FILENO, "stdin");
	for (index = 1; index < argc; index++) {
		fd = open(argv[index], O_RDONLY | O_CLOEXEC);
		if (fd < 0) {
			status = fail("cat", argv[index]);
			continue;
		}
		status |= copy_to_stdout(fd, argv[index]);
		close(fd);
	}
	return status;
}

static int run_sleep(int argc, char **argv)
{
	struct timespec left;
	double seconds;
	char *end;

	if (argc != 2) {
		fprintf(stderr, "Usage: sleep SECONDS\n");
		return 1;
	}
	seconds = strtod(argv[1], &end);
	if (end == argv[1] || *end || !(seconds >= 0 && seconds < 1e9)) {
		fprintf(stderr, "sleep: invalid number '%s'\n", argv[1]);
		return 1;
	}
	left.tv_sec = (time_t)seconds;
	left.tv_nsec = (long)((seconds - (double)left.tv_sec) * 1e9);
	while (nanosleep(&left, &left) < 0 && errno == EINTR)
		;
	return 0;
}

static int run_true(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 0;
}

static int run_false(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return 1;
}

static int run_env(int argc, char **argv)
{
	char **variable;

	(void)argc;
	(void)argv;
	for (variable = environ; *variable; variable++)
		puts(*variable);
	return 0;
}

static int run_id(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("uid=%d gid=%d\n", (int)getuid(), (int)getgid());
	return 0;
}

static int run_hostname(int argc, char **argv)
{
	struct utsname system_name = { 0 };

	(void)argc;
	(void)argv;
	uname(&system_name);
	puts(system_name.nodename);
	return 0;
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

static int run_ls(int argc, char **argv)
{
	const char *path = argc > 1 ? argv[1] : ".";
	struct dirent **entries;
	int count = scandir(path, &entries, NULL, by_name);
	int index;

	if (count < 0)
		return fail("ls", path);
	for (index = 0; index < count; index++) {
		if (entries[index]->d_name[0] != '.')
			puts(entries[index]->d_name);
		free(entries[index]);
	}
	free(entries);
	return 0;
}

static void print_process(const char *pid)
{
	char path[300];
	char command[256];
	size_t bytes;
	size_t index;
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	bytes = fread(command, 1, sizeof(command) - 1, file);
	fclose(file);
	command[bytes] = '\0';
	for (index = 0; index + 1 < bytes; index++)
		if (!command[index])
			command[index] = ' ';
	printf("%7s %s\n", pid, command);
}

static int run_ps(int argc, char **argv)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;

	(void)argc;
	(void)argv;
	if (!directory)
		return fail("ps", "/proc");
	printf("    PID COMMAND\n");
	while ((entry = readdir(directory)))
		if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9')
			print_process(entry->d_name);
	closedir(directory);
	return 0;
}

static const struct applet applets[] = {
	{ "hello", greet }, { "echo", run_echo }, { "cat", run_cat }, { "sleep", run_sleep }, { "true", run_true }, { "false", run_false },
	{ "env", run_env }, { "id", run_id }, { "hostname", run_hostname }, { "ls", run_ls }, { "ps", run_ps },
};

static const struct applet *find_applet(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;
	size_t index;

	for (index = 0; index < sizeof(applets) / sizeof(applets[0]); index++)
		if (strcmp(applets[index].name, name) == 0)
			return &applets[index];
	return NULL;
}

int dray_hello_main(int argc, char **argv)
{
	const struct applet *applet = find_applet(argv[0]);

	if (!applet && argc == 1)
		applet = &applets[0]; /* `dray-hello` itself. */

	/* Under its own name the first argument chooses; another applet's name is the whole choice. */
	if ((!applet || applet->run == greet) && argc > 1) {
		applet = find_applet(argv[1]);
		argc--;
		argv++;
	}
	if (!applet) {
		fprintf(stderr, "hello: applet not found\n");
		return 127;
	}
	return applet->run(argc, argv);
}
