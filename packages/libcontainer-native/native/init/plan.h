/*
 * The plan of one container process, as src/init/encode-plan.ts writes it; src/init/plan.ts says what each field means. All pointers lead into
 * the plan's own bytes or into arrays that plan_decode() has allocated and nobody frees: the program ends by exec.
 */
#ifndef DRAY_INIT_PLAN_H
#define DRAY_INIT_PLAN_H

#include <linux/filter.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
	PLAN_VERSION = 1,
	PLAN_BYTES_MAX = 16 * 1024 * 1024,
};

enum plan_kind { PLAN_CREATE, PLAN_EXEC };
enum plan_pivot { PIVOT_ROOT, PIVOT_MOVE, PIVOT_CHROOT };
enum plan_target { TARGET_AUTO, TARGET_DIRECTORY, TARGET_FILE, TARGET_NEVER };

/* NULL-terminated, so that it can be handed to execve(). */
struct strings {
	uint32_t count;
	char **items;
};

struct plan_bytes {
	uint32_t size;
	const uint8_t *bytes;
};

struct plan_join {
	uint32_t type; /* CLONE_NEW* */
	char *path;
};

struct plan_time_offset {
	bool is_present;
	int64_t secs;
	uint32_t nanosecs;
};

struct plan_mount {
	char *target, *source, *fstype, *data, *fallback_bind;
	uint32_t flags, clear_flags;
	uint32_t propagation_count;
	uint32_t *propagation;
	uint64_t recursive_set, recursive_clear;
	uint8_t create_target; /* enum plan_target */
	bool is_copy_up, is_readonly_late;
	int source_fd; /* not of the plan: a detached copy that the first stage has made, or -1 */
};

struct plan_device {
	char *path, *bind_from;
	uint8_t type; /* 'c', 'b' or 'p' */
	uint32_t major, minor, mode, uid, gid;
};

struct plan_pair {
	char *name, *value;
};

struct plan_hook {
	char *path;
	struct strings args, env;
	uint32_t timeout_ms;
};

struct plan_hooks {
	char *state_before, *state_after;
	uint32_t count;
	struct plan_hook *items;
};

struct plan_rlimit {
	uint32_t resource;
	uint64_t soft, hard;
};

struct plan_capabilities {
	bool is_present;
	uint64_t bounding, effective, permitted, inheritable, ambient;
};

struct plan_scheduler {
	bool is_present;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

struct plan_process {
	struct strings args, env;
	char *cwd;
	uint32_t uid, gid;
	uint32_t group_count;
	uint32_t *groups;
	bool can_setgroups;
	uint32_t umask;
	struct plan_capabilities capabilities;
	bool is_no_new_privileges;
	bool has_seccomp;
	uint32_t seccomp_flags;
	struct plan_bytes seccomp;
	uint32_t rlimit_count;
	struct plan_rlimit *rlimits;
	char *session_keyring;
	char *lsm_label; /* or NULL */
	bool is_apparmor;
	struct plan_scheduler scheduler;
	bool has_io_priority, has_personality;
	uint32_t io_priority, personality;
	struct plan_bytes cpu_affinity;
	bool has_listen_pid;
};

struct plan {
	enum plan_kind kind;
	uint32_t create_flags; /* CLONE_NEW* */
	uint32_t join_count;
	struct plan_join *joins;
	bool has_pidfd;
	uint32_t pidfd_index, pidfd_flags;
	uint32_t inherited_count, preserved_count;
	bool has_mappings, is_setgroups_denied;
	char *uid_map, *gid_map;
	struct plan_time_offset monotonic, boottime;
	struct strings cgroup_procs;
	bool has_oom_score_adj;
	int32_t oom_score_adj;
	bool is_loopback_up;
	bool has_rootfs, is_rootfs_readonly;
	char *rootfs;
	uint32_t propagation, propagation_after_pivot;
	uint8_t pivot;
	uint32_t mount_count;
	struct plan_mount *mounts;
	uint32_t device_count;
	struct plan_device *devices;
	uint32_t link_count;
	struct plan_pair *links;
	struct strings masked_paths, readonly_paths;
	char *hostname, *domainname;
	uint32_t sysctl_count;
	struct plan_pair *sysctls;
	bool has_console, is_console_bound;
	char *console_socket;
	uint16_t console_width, console_height;
	char *exec_fifo;
	bool is_hooks_wanted;
	struct plan_hooks create_container_hooks, start_container_hooks;
	struct plan_process process;
};

/*
 * Decodes `size` writable bytes. Returns 0, -EINVAL for bytes that are not a plan, -EPROTO for another version, -ENOMEM, or -EPERM for a plan that
 * would change the caller's own namespaces.
 */
int plan_decode(uint8_t *bytes, size_t size, struct plan *ret_plan);

#endif
