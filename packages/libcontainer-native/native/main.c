/* The one static binary: the base name of argv[0] decides which program it is. */
#include "main.h"

#include <stdio.h>
#include <string.h>

typedef int (*program_main)(int argc, char **argv);

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static program_main find_program(const char *name)
{
	if (strcmp(name, "dray-init") == 0)
		return dray_init_main;
	if (strcmp(name, "dray-monitor") == 0)
		return dray_monitor_main;
	if (strcmp(name, "dray-logger") == 0)
		return dray_logger_main;
	return dray_hello_main; /* The built-in image gives its program and applets any name. */
}

int main(int argc, char **argv)
{
	program_main program;

	if (argc < 1)
		return 1;
	program = find_program(base_name(argv[0]));
	if (!program) {
		fprintf(stderr, "%s: this build does not contain the program\n", base_name(argv[0]));
		return 1;
	}
	return program(argc, argv);
}
