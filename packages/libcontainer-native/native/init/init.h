/* What all steps of dray-init share. */
#ifndef DRAY_INIT_INIT_H
#define DRAY_INIT_INIT_H

#include "../lib/owned.h"
#include "plan.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	SYNC_FD = 3,
	PLAN_FD = 4,
	FIRST_INHERITED_FD = 5,
	DETAIL_BYTES_MAX = 4352, /* a path and some words */
};

/* The process between clone and exec. */
struct init {
	struct plan plan;
	int sync_fd;     /* the runtime; -1 after ready */
	int proc_fd;     /* the runtime's own procfs, verified; the container's is never trusted */
	int fifo_fd;     /* O_PATH, or -1 */
	int console_fd;  /* connected console socket, or -1 */
	int root_fd;     /* O_PATH of the rootfs, or of "/" for exec */
	bool is_in_user_namespace; /* a new or joined one */
	/* The first failure: which step, and what it was about. */
	const char *step;
	char detail[DETAIL_BYTES_MAX];
};

/* Notes what failed and returns -error: `return fail(init, errno, "mount", "%s", target);` */
int fail(struct init *init, int error, const char *step, const char *format, ...) __attribute__((format(printf, 4, 5)));

/* report.c: messages to the runtime. Sending never fails the caller: a runtime that has gone shows at the next wait. */
void report_pid(const struct init *init, uint32_t pid);
/* When the runtime no longer listens, the message goes to standard error, which is the container's by then. */
void report_failure(const struct init *init, int error);
void report_warning(const struct init *init, int error, const char *step, const char *detail);
/* Tells that the mounts are done and waits for the answer. */
int report_hooks(struct init *init);
/* Hands over the seccomp listener and waits until the runtime has taken it. */
int report_seccomp_listener(struct init *init, int fd);
void report_ready(const struct init *init);

/* first-stage.c: everything that needs the runtime's rights. Returns in the clone, as init; the first stage itself does not return. */
int run_first_stage(struct init *init);

/* rootfs.c: from the new mount namespace to the moment before the pivot. */
int prepare_rootfs(struct init *init);
int enter_rootfs(struct init *init);
/* What is made read-only or hidden once everything is in place. */
int make_readonly(struct init *init);
int protect_paths(struct init *init);

/* mounts.c */
int open_bind_source(struct init *init, const char *source, uint32_t flags, int *ret_fd);
int make_mount(struct init *init, struct plan_mount *mount);
/* Changes attributes of the mount that `fd` stands for; returns 0 or -errno. */
int set_mount_attributes(int fd, uint64_t set, uint64_t clear, uint64_t propagation, bool is_recursive);
/* Attaches a detached mount (or a copy of the mount that `fd` has open) at `target_fd`; return 0 or -errno. */
int attach_mount(int fd, int target_fd);
int bind_descriptor(int fd, int target_fd);

/* devices.c */
int make_devices(struct init *init);
int make_links(struct init *init);

/* paths.c: race-free paths inside the rootfs. All return 0 or -errno. */
int open_in_root(int root_fd, const char *path, uint64_t flags, uint64_t resolve, int *ret_fd);
int make_directories(int root_fd, const char *path, unsigned int mode);
/* The directory that holds `path`, made if it is missing, and the name in it. */
int open_parent(int root_fd, const char *path, int *ret_fd, const char **ret_name);
/* The target of a mount as an O_PATH descriptor. */
int open_target(int root_fd, const char *path, bool is_directory, bool is_created, uint64_t resolve, int *ret_fd);

/* copy-up.c */
int copy_tree(int from_fd, int to_fd);

/* console.c */
int connect_console(struct init *init);
int set_up_console(struct init *init);
int clean_stdio(struct init *init);

/* hooks.c */
int run_hooks(struct init *init, const struct plan_hooks *hooks, const char *cwd);

/* kernel.c: small writes into /proc and single system calls. */
int write_proc(const struct init *init, const char *path, const char *text);
int write_sysctls(struct init *init);
int write_lsm_label(struct init *init);
int bring_loopback_up(struct init *init);
int join_session_keyring(struct init *init);
int set_names(struct init *init);
int set_scheduling(struct init *init);
int open_proc(int *ret_fd);
/* Opens what an O_PATH descriptor stands for, once it is known to be safe to open. Returns a descriptor or -errno. */
int reopen(const struct init *init, int path_fd, int flags);
bool is_device(int fd, unsigned int major, unsigned int minor);

/* process.c: the container's process itself; run_process() returns only on failure. */
int run_process(struct init *init);

/* credentials.c */
int drop_bounding_set(struct init *init);
int set_ids(struct init *init);
int set_capabilities(struct init *init);
int load_seccomp(struct init *init);
int set_rlimits(struct init *init);
void raise_hard_limits(const struct init *init);

/* environment.c */
int add_variables(struct init *init);
int find_program(struct init *init, char *path, size_t capacity);

#endif
