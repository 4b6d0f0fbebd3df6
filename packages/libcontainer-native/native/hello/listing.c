/* ls and ps: what directories and processes there are. */
#include "hello.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

static int is_process(const struct dirent *entry)
{
	return isdigit((unsigned char)entry->d_name[0]) != 0;
}

static int by_number(const struct dirent **one, const struct dirent **other)
{
	return atoi((*one)->d_name) - atoi((*other)->d_name);
}

static char type_letter(mode_t mode)
{
	return S_ISDIR(mode) ? 'd' : S_ISLNK(mode) ? 'l' : S_ISCHR(mode) ? 'c' : S_ISBLK(mode) ? 'b' : S_ISFIFO(mode) ? 'p' : S_ISSOCK(mode) ? 's' : '-';
}

static int print_entry(const char *path, const char *name, bool is_long)
{
	struct stat state;

	if (!is_long) {
		printf("%s\n", name);
		return 0;
	}
	if (lstat(path, &state) < 0)
		return complain("ls", path);
	printf("%c%04o %3lu %5u %5u %10lld %s\n", type_letter(state.st_mode), state.st_mode & 07777, (unsigned long)state.st_nlink, state.st_uid, state.st_gid,
	       (long long)state.st_size, name);
	return 0;
}

static int list_path(const char *path, bool is_long)
{
	struct dirent **entries = NULL;
	int status = 0;
	int count = scandir(path, &entries, is_visible, alphasort);

	if (count < 0)
		return errno == ENOTDIR ? print_entry(path, path, is_long) : complain("ls", path);
	for (int i = 0; i < count; i++) {
		char full[4096];

		(void)snprintf(full, sizeof(full), "%s/%s", path, entries[i]->d_name);
		status |= print_entry(full, entries[i]->d_name, is_long);
		free(entries[i]);
	}
	free(entries);
	return status;
}

int applet_ls(int argc, char **argv)
{
	bool is_long = argc > 1 && strcmp(argv[1], "-l") == 0;
	int first = is_long ? 2 : 1;
	int status = argc <= first ? list_path(".", is_long) : 0;

	for (int i = first; i < argc; i++)
		status |= list_path(argv[i], is_long);
	return status;
}

/* The command line with spaces between its words; a process without one (of the kernel) prints nothing. */
static void print_process(const char *pid)
{
	char path[300], text[256];
	FILE *file;
	size_t size;

	(void)snprintf(path, sizeof(path), "/proc/%s/cmdline", pid);
	file = fopen(path, "re");
	if (!file)
		return;
	size = fread(text, 1, sizeof(text) - 1, file);
	(void)fclose(file);
	for (size_t i = 0; i < size; i++)
		if (text[i] == 0)
			text[i] = ' ';
	text[size] = 0;
	if (size > 0)
		printf("%5s %s\n", pid, text);
}

int applet_ps(int argc, char **argv)
{
	struct dirent **entries = NULL;
	int count = scandir("/proc", &entries, is_process, by_number);

	(void)argc;
	(void)argv;
	if (count < 0)
		return complain("ps", "/proc");
	printf("  PID COMMAND\n");
	for (int i = 0; i < count; i++) {
		print_process(entries[i]->d_name);
		free(entries[i]);
	}
	free(entries);
	return 0;
}
