/* The monitor's command line. */
#ifndef DRAY_MONITOR_OPTIONS_H
#define DRAY_MONITOR_OPTIONS_H

#include <stdbool.h>
#include <sys/types.h>

struct mon_options {
	const char *control;        /* --control PATH: listening control socket */
	const char *exit_file;      /* --exit-file PATH */
	const char *pid_file;       /* --pid-file PATH: whom to watch, read when the command has succeeded */
	const char *log;            /* --log PATH: one line why the monitor could not do its work */
	const char *console_socket; /* --console-socket PATH: where the runtime sends the pty's master; implies a terminal */
	const char *id, *namespace; /* --id, --namespace: told to foreign loggers */
	const char *stdio[3];       /* --stdin, --stdout, --stderr URI */
	int control_fd;             /* --control-fd N: a connected control client, or -1 */
	int exec_fd;                /* --exec-fd N: the program of the command, in place of a look-up of its name, or -1 */
	uid_t io_uid;               /* --io-uid, --io-gid: owner of the pipes */
	gid_t io_gid;
	char **command;             /* what follows "--", NULL-terminated */
};

/* Returns 0, or -EINVAL with the argument that makes no sense. */
int mon_options_parse(int argc, char **argv, struct mon_options *ret_options, const char **ret_culprit);

#endif
