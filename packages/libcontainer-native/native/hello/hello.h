/* The program of the built-in image: no shell, no libraries, nothing but what shows that a container works. */
#ifndef DRAY_HELLO_HELLO_H
#define DRAY_HELLO_HELLO_H

/* Each applet gets its own name as argv[0] and returns the exit code. */
typedef int (*applet_main)(int argc, char **argv);

int greet(int argc, char **argv);
int applet_cat(int argc, char **argv);
int applet_echo(int argc, char **argv);
int applet_env(int argc, char **argv);
int applet_false(int argc, char **argv);
int applet_hostname(int argc, char **argv);
int applet_id(int argc, char **argv);
int applet_ls(int argc, char **argv);
int applet_ps(int argc, char **argv);
int applet_sleep(int argc, char **argv);
int applet_true(int argc, char **argv);

/* Prints "NAME: SUBJECT: reason" for errno to standard error; returns 1. */
int complain(const char *name, const char *subject);

#endif
