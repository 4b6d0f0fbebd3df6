/* Parses `--name value` and `--name=value` up to "--"; what follows is the command. */
#include "options.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

struct text_option {
	const char *name;
	size_t offset;
};

#define TEXT(option, field) { .name = option, .offset = offsetof(struct mon_options, field) }

static const struct text_option text_options[] = {
	TEXT("control", control),
	TEXT("exit-file", exit_file),
	TEXT("pid-file", pid_file),
	TEXT("log", log),
	TEXT("console-socket", console_socket),
	TEXT("id", id),
	TEXT("namespace", namespace),
	TEXT("stdin", stdio[0]),
	TEXT("stdout", stdio[1]),
	TEXT("stderr", stdio[2]),
};

static int parse_id(const char *text, unsigned *ret_number)
{
	char *end = NULL;
	unsigned long number;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno != 0 || *text < '0' || *text > '9' || *end != '\0' || number > INT_MAX)
		return -EINVAL;
	*ret_number = (unsigned)number;
	return 0;
}

static int set_number(struct mon_options *options, const char *name, size_t name_size, const char *value)
{
	unsigned number = 0;
	int result = parse_id(value, &number);

	if (result < 0)
		return result;
	if (name_size == 10 && memcmp(name, "control-fd", 10) == 0)
		options->control_fd = (int)number;
	else if (name_size == 7 && memcmp(name, "exec-fd", 7) == 0)
		options->exec_fd = (int)number;
	else if (name_size == 6 && memcmp(name, "io-uid", 6) == 0)
		options->io_uid = number;
	else if (name_size == 6 && memcmp(name, "io-gid", 6) == 0)
		options->io_gid = number;
	else
		return -EINVAL;
	return 0;
}

static int set_option(struct mon_options *options, const char *name, size_t name_size, const char *value)
{
	for (size_t i = 0; i < sizeof text_options / sizeof *text_options; i++) {
		if (strlen(text_options[i].name) == name_size && memcmp(text_options[i].name, name, name_size) == 0) {
			*(const char **)((char *)options + text_options[i].offset) = value;
			return 0;
		}
	}
	return set_number(options, name, name_size, value);
}

/* Returns how many arguments were used, or -EINVAL. */
static int parse_one(char **argv, struct mon_options *options)
{
	const char *name = argv[0] + 2;
	const char *equals = strchr(name, '=');
	const char *value = equals != NULL ? equals + 1 : argv[1];
	size_t name_size = equals != NULL ? (size_t)(equals - name) : strlen(name);

	if (strncmp(argv[0], "--", 2) != 0 || value == NULL || set_option(options, name, name_size, value) < 0)
		return -EINVAL;
	return equals != NULL ? 1 : 2;
}

int mon_options_parse(int argc, char **argv, struct mon_options *ret_options, const char **ret_culprit)
{
	struct mon_options options = { .control_fd = -1, .exec_fd = -1, .id = "", .namespace = "" };
	int i = 1;

	while (i < argc && strcmp(argv[i], "--") != 0) {
		int used = parse_one(argv + i, &options);

		if (used < 0) {
			*ret_culprit = argv[i];
			return used;
		}
		i += used;
	}
	if (i + 1 >= argc) {
		*ret_culprit = "-- COMMAND";
		return -EINVAL;
	}
	options.command = argv + i + 1;
	*ret_options = options;
	return 0;
}
