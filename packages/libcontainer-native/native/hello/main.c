#include "hello.h"
#include "../main.h"

#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	applet_main run;
} applets[] = {
	{ "cat", applet_cat }, { "echo", applet_echo }, { "env", applet_env }, { "false", applet_false }, { "hello", greet }, { "hostname", applet_hostname },
	{ "id", applet_id }, { "ls", applet_ls }, { "ps", applet_ps }, { "sleep", applet_sleep }, { "true", applet_true },
};

static applet_main find_applet(const char *path)
{
	const char *slash = strrchr(path, '/');
	const char *name = slash ? slash + 1 : path;

	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++)
		if (strcmp(applets[i].name, name) == 0)
			return applets[i].run;
	return NULL;
}

static int list_applets(void)
{
	for (size_t i = 0; i < sizeof(applets) / sizeof(applets[0]); i++)
		printf("%s\n", applets[i].name);
	return 0;
}

/* `/bin/cat file` and `/hello cat file` are the same; `--list` names the applets. */
int dray_hello_main(int argc, char **argv)
{
	applet_main applet = find_applet(argv[0]);

	if ((!applet || applet == greet) && argc > 1) {
		if (strcmp(argv[1], "--list") == 0)
			return list_applets();
		applet = find_applet(argv[1]);
		if (!applet) {
			fprintf(stderr, "hello: unknown applet \"%s\"; --list names them\n", argv[1]);
			return 127;
		}
		return applet(argc - 1, argv + 1);
	}
	return applet ? applet(argc, argv) : greet(argc, argv);
}
