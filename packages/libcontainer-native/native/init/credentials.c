/* Who the process is and what it may do. */
#include "init.h"

#include <grp.h>
#include <linux/capability.h>
#include <linux/seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>

enum { CAPABILITIES_MAX = 64 };

/* The set that no exec can regain anything beyond. */
int drop_bounding_set(struct init *init)
{
	const struct plan_capabilities *capabilities = &init->plan.process.capabilities;

	if (!capabilities->is_present)
		return 0;
	for (int number = 0; number < CAPABILITIES_MAX; number++) {
		if (capabilities->bounding & (UINT64_C(1) << number))
			continue;
		if (prctl(PR_CAPBSET_DROP, number) == 0)
			continue;
		if (errno == EINVAL)
			return 0; /* Beyond the last one that the kernel knows. */
		return fail(init, errno, "capabilities", "bounding %d", number);
	}
	return 0;
}

int set_ids(struct init *init)
{
	const struct plan_process *process = &init->plan.process;

	/* Permitted capabilities survive the change of the user id; capset() decides what remains. */
	if (process->capabilities.is_present && prctl(PR_SET_KEEPCAPS, 1) < 0)
		return fail(init, errno, "capabilities", "keep");
	if (process->can_setgroups && setgroups(process->group_count, process->groups) < 0)
		return fail(init, errno, "setgroups", "%u groups", process->group_count);
	if (setresgid(process->gid, process->gid, process->gid) < 0)
		return fail(init, errno, "setgid", "%u", process->gid);
	if (setresuid(process->uid, process->uid, process->uid) < 0)
		return fail(init, errno, "setuid", "%u", process->uid);
	return 0;
}

static uint64_t permitted_now(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0)
		return 0;
	return data[0].permitted | ((uint64_t)data[1].permitted << 32);
}

static int apply_capabilities(uint64_t effective, uint64_t permitted, uint64_t inheritable)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = {
		{ .effective = (uint32_t)effective, .permitted = (uint32_t)permitted, .inheritable = (uint32_t)inheritable },
		{ .effective = (uint32_t)(effective >> 32), .permitted = (uint32_t)(permitted >> 32), .inheritable = (uint32_t)(inheritable >> 32) },
	};

	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int raise_ambient(struct init *init, uint64_t ambient)
{
	if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
		return fail(init, errno, "capabilities", "ambient");
	for (int number = 0; number < CAPABILITIES_MAX; number++) {
		if (!(ambient & (UINT64_C(1) << number)))
			continue;
		if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, number, 0, 0) < 0)
			return fail(init, errno, "capabilities", "ambient %d", number);
	}
	return 0;
}

int set_capabilities(struct init *init)
{
	const struct plan_capabilities *wanted = &init->plan.process.capabilities;
	uint64_t have = permitted_now();
	uint64_t missing = (wanted->permitted | wanted->inheritable) & ~have;
	char detail[64];
	int r;

	if (!wanted->is_present)
		return 0;
	if (missing) {
		/* Nobody can give what the runtime itself has not got. */
		(void)snprintf(detail, sizeof(detail), "0x%llx", (unsigned long long)missing);
		report_warning(init, EPERM, "capabilities", detail);
	}
	r = apply_capabilities(wanted->effective & wanted->permitted & have, wanted->permitted & have, wanted->inheritable & have);
	if (r < 0)
		return fail(init, -r, "capabilities", "capset");
	return raise_ambient(init, wanted->ambient & have);
}

int load_seccomp(struct init *init)
{
	const struct plan_process *process = &init->plan.process;
	struct sock_fprog program = {
		.len = (unsigned short)(process->seccomp.size / sizeof(struct sock_filter)),
		.filter = (struct sock_filter *)(uintptr_t)process->seccomp.bytes,
	};
	long r;

	r = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, process->seccomp_flags, &program);
	if (r < 0)
		return fail(init, errno, "seccomp", "%u instructions", program.len);
	if (!(process->seccomp_flags & SECCOMP_FILTER_FLAG_NEW_LISTENER))
		return 0;
	{
		OWNED_FD int listener_fd = (int)r;

		return report_seccomp_listener(init, listener_fd);
	}
}

int set_rlimits(struct init *init)
{
	for (uint32_t i = 0; i < init->plan.process.rlimit_count; i++) {
		const struct plan_rlimit *wanted = &init->plan.process.rlimits[i];
		struct rlimit limit = { .rlim_cur = wanted->soft, .rlim_max = wanted->hard };
		char detail[64];

		if (setrlimit((__rlimit_resource_t)wanted->resource, &limit) == 0)
			continue;
		if (errno != EPERM)
			return fail(init, errno, "rlimit", "%u", wanted->resource);
		(void)snprintf(detail, sizeof(detail), "%u", wanted->resource);
		report_warning(init, EPERM, "rlimit", detail);
	}
	return 0;
}

/* Only the host's root may raise a hard limit, not a user namespace's. What fails here is reported when init sets the limit. */
void raise_hard_limits(const struct init *init)
{
	for (uint32_t i = 0; i < init->plan.process.rlimit_count; i++) {
		const struct plan_rlimit *wanted = &init->plan.process.rlimits[i];
		struct rlimit limit;

		if (getrlimit((__rlimit_resource_t)wanted->resource, &limit) < 0 || limit.rlim_max >= wanted->hard)
			continue;
		limit.rlim_max = wanted->hard;
		(void)setrlimit((__rlimit_resource_t)wanted->resource, &limit);
	}
}
