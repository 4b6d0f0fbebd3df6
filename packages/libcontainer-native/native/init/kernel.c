/* Settings of the kernel for the new process and its namespaces. */
#include "init.h"

#include <fcntl.h>
#include <linux/keyctl.h>
#include <linux/magic.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/socket.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

enum { PROC_ROOT_INODE = 1 };

int open_proc(int *ret_fd)
{
	struct statfs filesystem;
	struct stat state;
	OWNED_FD int fd = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0 || fstatfs(fd, &filesystem) < 0 || fstat(fd, &state) < 0)
		return -errno;
	if (filesystem.f_type != PROC_SUPER_MAGIC || state.st_ino != PROC_ROOT_INODE)
		return -ENODEV;
	*ret_fd = take_fd(&fd);
	return 0;
}

int reopen(const struct init *init, int path_fd, int flags)
{
	char path[32];
	int fd;

	(void)snprintf(path, sizeof(path), "self/fd/%d", path_fd);
	do {
		fd = openat(init->proc_fd, path, flags | O_CLOEXEC);
	} while (fd < 0 && errno == EINTR);
	return fd < 0 ? -errno : fd;
}

bool is_device(int fd, unsigned int major_number, unsigned int minor_number)
{
	struct stat state;

	return fstat(fd, &state) == 0 && S_ISCHR(state.st_mode) && state.st_rdev == makedev(major_number, minor_number);
}

int write_proc(const struct init *init, const char *path, const char *text)
{
	OWNED_FD int fd = openat(init->proc_fd, path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
	size_t size = strlen(text);
	ssize_t r;

	if (fd < 0)
		return -errno;
	r = write(fd, text, size);
	if (r < 0)
		return -errno;
	return (size_t)r == size ? 0 : -EIO;
}

/* Names come from a plan, so one that climbs out of sys/ is refused. */
static int write_sysctl(const struct init *init, const struct plan_pair *sysctl)
{
	char path[512];

	if (strstr(sysctl->name, "..") || sysctl->name[0] == '/')
		return -EINVAL;
	if (snprintf(path, sizeof(path), "sys/%s", sysctl->name) >= (int)sizeof(path))
		return -ENAMETOOLONG;
	return write_proc(init, path, sysctl->value);
}

int write_sysctls(struct init *init)
{
	for (uint32_t i = 0; i < init->plan.sysctl_count; i++) {
		int r = write_sysctl(init, &init->plan.sysctls[i]);

		if (r < 0)
			return fail(init, -r, "sysctl", "%s", init->plan.sysctls[i].name);
	}
	return 0;
}

int write_lsm_label(struct init *init)
{
	const struct plan_process *process = &init->plan.process;
	char text[1024];
	int r;

	if (!process->lsm_label)
		return 0;
	if (snprintf(text, sizeof(text), "%s%s", process->is_apparmor ? "exec " : "", process->lsm_label) >= (int)sizeof(text))
		return fail(init, ENAMETOOLONG, "lsm-label", "%s", process->lsm_label);
	r = process->is_apparmor ? write_proc(init, "thread-self/attr/apparmor/exec", text) : -ENOENT;
	if (r == -ENOENT)
		r = write_proc(init, "thread-self/attr/exec", text);
	return r < 0 ? fail(init, -r, "lsm-label", "%s", process->lsm_label) : 0;
}

int bring_loopback_up(struct init *init)
{
	struct ifreq request = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_LOOPBACK | IFF_RUNNING };
	OWNED_FD int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) < 0)
		return fail(init, errno, "loopback", "lo");
	return 0;
}

/* The process may search its own keyring: by owner, or in a user namespace, where the owner is another, by everybody. */
static int allow_search(const struct init *init, long keyring)
{
	enum { PERM_FIELD = 3, SEARCH_BY_OWNER = 0x80000, SEARCH_BY_OTHERS = 0x8 };
	char description[256];
	char *field = description;
	unsigned long permissions;
	long size = syscall(SYS_keyctl, KEYCTL_DESCRIBE, keyring, description, sizeof(description) - 1);

	if (size < 0)
		return -errno;
	description[size < (long)sizeof(description) ? size : (long)sizeof(description) - 1] = 0;
	for (int i = 0; i < PERM_FIELD; i++) {
		field = strchr(field, ';');
		if (!field)
			return -EPROTO;
		field++;
	}
	permissions = strtoul(field, NULL, 16) | (init->is_in_user_namespace ? SEARCH_BY_OTHERS : SEARCH_BY_OWNER);
	return syscall(SYS_keyctl, KEYCTL_SETPERM, keyring, permissions) < 0 ? -errno : 0;
}

int join_session_keyring(struct init *init)
{
	const char *name = init->plan.process.session_keyring;
	long keyring;
	int r;

	if (!name)
		return 0;
	keyring = syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, name);
	if (keyring < 0 && errno == ENOSYS)
		return 0; /* A kernel without keyrings: there is nothing to keep apart. */
	r = keyring < 0 ? -errno : allow_search(init, keyring);
	return r < 0 ? fail(init, -r, "session-keyring", "%s", name) : 0;
}

int set_names(struct init *init)
{
	const struct plan *plan = &init->plan;

	if (plan->hostname && sethostname(plan->hostname, strlen(plan->hostname)) < 0)
		return fail(init, errno, "hostname", "%s", plan->hostname);
	if (plan->domainname && setdomainname(plan->domainname, strlen(plan->domainname)) < 0)
		return fail(init, errno, "domainname", "%s", plan->domainname);
	return 0;
}

/* struct sched_attr of the kernel, version 0. */
struct scheduling {
	uint32_t size;
	uint32_t policy;
	uint64_t flags;
	int32_t nice;
	uint32_t priority;
	uint64_t runtime, deadline, period;
};

static int set_scheduler(struct init *init)
{
	const struct plan_scheduler *wanted = &init->plan.process.scheduler;
	struct scheduling scheduling = {
		.size = sizeof(scheduling), .policy = wanted->policy, .flags = wanted->flags, .nice = wanted->nice, .priority = wanted->priority,
		.runtime = wanted->runtime, .deadline = wanted->deadline, .period = wanted->period,
	};

	if (!wanted->is_present)
		return 0;
	return syscall(SYS_sched_setattr, 0, &scheduling, 0) < 0 ? fail(init, errno, "scheduler", "%u", wanted->policy) : 0;
}

/* An inherited affinity would outlive a larger cpuset; without a wish the kernel narrows "all" to what the cpuset allows. */
static int set_affinity(struct init *init)
{
	const struct plan_bytes *wanted = &init->plan.process.cpu_affinity;
	uint8_t all[128];

	if (wanted->size > 0)
		return syscall(SYS_sched_setaffinity, 0, wanted->size, wanted->bytes) < 0 ? fail(init, errno, "cpu-affinity", "process") : 0;
	memset(all, 0xff, sizeof(all));
	(void)syscall(SYS_sched_setaffinity, 0, sizeof(all), all);
	return 0;
}

int set_scheduling(struct init *init)
{
	enum { IOPRIO_WHO_PROCESS = 1 };
	const struct plan_process *process = &init->plan.process;
	int r = set_affinity(init);

	if (r == 0)
		r = set_scheduler(init);
	if (r < 0)
		return r;
	if (process->has_io_priority && syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, process->io_priority) < 0)
		return fail(init, errno, "io-priority", "%u", process->io_priority);
	if (process->has_personality && personality(process->personality) < 0)
		return fail(init, errno, "personality", "%u", process->personality);
	return 0;
}
