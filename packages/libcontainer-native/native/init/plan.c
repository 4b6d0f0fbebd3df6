/* The decoder of plans. It trusts nothing: every length is checked against what is left, and the first fault ends it. */
#include "plan.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x00000080
#endif

enum {
	MAGIC = 0x59415244,
	DESCRIPTORS_MAX = 1024,
	HOOKS_MAX = 256,
	MAPPING_BYTES_MAX = 4096, /* the kernel takes one page at most */
	MIN_STRING_BYTES = 5,
};

static const uint32_t NAMESPACE_FLAGS = CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP | CLONE_NEWTIME;

/* `error` is the first fault, as a positive errno; reads after it return zeroes. */
struct reader {
	uint8_t *at, *end;
	int error;
};

static void refuse(struct reader *reader, int error)
{
	if (reader->error == 0)
		reader->error = error;
	reader->at = reader->end;
}

static size_t left(const struct reader *reader)
{
	return (size_t)(reader->end - reader->at);
}

static void read_raw(struct reader *reader, void *value, size_t size)
{
	memset(value, 0, size);
	if (left(reader) < size) {
		refuse(reader, EINVAL);
		return;
	}
	memcpy(value, reader->at, size);
	reader->at += size;
}

static uint8_t read_u8(struct reader *reader)
{
	uint8_t value;

	read_raw(reader, &value, sizeof(value));
	return value;
}

static bool read_bool(struct reader *reader)
{
	uint8_t value = read_u8(reader);

	if (value > 1)
		refuse(reader, EINVAL);
	return value == 1;
}

static uint16_t read_u16(struct reader *reader)
{
	uint16_t value;

	read_raw(reader, &value, sizeof(value));
	return value;
}

static uint32_t read_u32(struct reader *reader)
{
	uint32_t value;

	read_raw(reader, &value, sizeof(value));
	return value;
}

static uint64_t read_u64(struct reader *reader)
{
	uint64_t value;

	read_raw(reader, &value, sizeof(value));
	return value;
}

static struct plan_bytes read_byte_string(struct reader *reader)
{
	struct plan_bytes result = { .size = read_u32(reader), .bytes = (const uint8_t *)"" };

	if (left(reader) < (size_t)result.size + 1 || reader->at[result.size] != 0) {
		refuse(reader, EINVAL);
		result.size = 0;
		return result;
	}
	result.bytes = reader->at;
	reader->at += (size_t)result.size + 1;
	return result;
}

static char *read_string(struct reader *reader)
{
	struct plan_bytes bytes = read_byte_string(reader);

	if (memchr(bytes.bytes, 0, bytes.size))
		refuse(reader, EINVAL);
	return (char *)bytes.bytes;
}

static char *read_optional_string(struct reader *reader)
{
	return read_bool(reader) ? read_string(reader) : NULL;
}

/* Reads the count of an array whose elements take `size_min` bytes each at least, and allocates `extra` more than that of `item_size` bytes. */
static void *read_array(struct reader *reader, size_t size_min, size_t item_size, uint32_t extra, uint32_t *ret_count)
{
	uint32_t count = read_u32(reader);
	void *items;

	*ret_count = 0;
	if (count > left(reader) / size_min) {
		refuse(reader, EINVAL);
		count = 0;
	}
	items = calloc((size_t)count + extra + 1, item_size);
	if (!items)
		refuse(reader, ENOMEM);
	else
		*ret_count = count;
	return items;
}

/* `extra` slots are left free behind the strings, besides the terminating NULL. */
static struct strings read_strings(struct reader *reader, uint32_t extra)
{
	struct strings strings = { 0 };

	strings.items = read_array(reader, MIN_STRING_BYTES, sizeof(char *), extra + 1, &strings.count);
	for (uint32_t i = 0; i < strings.count; i++)
		strings.items[i] = read_string(reader);
	return strings;
}

static uint32_t *read_numbers(struct reader *reader, uint32_t *ret_count)
{
	uint32_t *numbers = read_array(reader, sizeof(uint32_t), sizeof(uint32_t), 0, ret_count);

	for (uint32_t i = 0; i < *ret_count; i++)
		numbers[i] = read_u32(reader);
	return numbers;
}

static struct plan_pair *read_pairs(struct reader *reader, uint32_t *ret_count)
{
	struct plan_pair *pairs = read_array(reader, MIN_STRING_BYTES * 2, sizeof(*pairs), 0, ret_count);

	for (uint32_t i = 0; i < *ret_count; i++) {
		pairs[i].name = read_string(reader);
		pairs[i].value = read_string(reader);
	}
	return pairs;
}

static uint32_t read_namespace_flags(struct reader *reader)
{
	uint32_t flags = read_u32(reader);

	if (flags & ~NAMESPACE_FLAGS)
		refuse(reader, EINVAL);
	return flags;
}

static void read_namespaces(struct reader *reader, struct plan *plan)
{
	plan->create_flags = read_namespace_flags(reader);
	plan->joins = read_array(reader, sizeof(uint32_t) + MIN_STRING_BYTES, sizeof(*plan->joins), 0, &plan->join_count);
	for (uint32_t i = 0; i < plan->join_count; i++) {
		plan->joins[i].type = read_namespace_flags(reader);
		plan->joins[i].path = read_string(reader);
	}
	plan->has_pidfd = read_bool(reader);
	if (plan->has_pidfd) {
		plan->pidfd_index = read_u32(reader);
		plan->pidfd_flags = read_namespace_flags(reader);
	}
	plan->inherited_count = read_u32(reader);
	plan->preserved_count = read_u32(reader);
	if (plan->inherited_count > DESCRIPTORS_MAX || plan->preserved_count > DESCRIPTORS_MAX)
		refuse(reader, EINVAL);
	if (plan->has_pidfd && plan->pidfd_index >= plan->inherited_count)
		refuse(reader, EINVAL);
}

static void read_mappings(struct reader *reader, struct plan *plan)
{
	plan->has_mappings = read_bool(reader);
	if (!plan->has_mappings)
		return;
	plan->uid_map = read_string(reader);
	plan->gid_map = read_string(reader);
	plan->is_setgroups_denied = read_bool(reader);
	if (strlen(plan->uid_map) >= MAPPING_BYTES_MAX || strlen(plan->gid_map) >= MAPPING_BYTES_MAX)
		refuse(reader, EINVAL);
}

static struct plan_time_offset read_time_offset(struct reader *reader)
{
	struct plan_time_offset offset = { .is_present = read_bool(reader) };

	if (offset.is_present) {
		offset.secs = (int64_t)read_u64(reader);
		offset.nanosecs = read_u32(reader);
	}
	return offset;
}

static void read_rootfs(struct reader *reader, struct plan *plan)
{
	plan->has_rootfs = read_bool(reader);
	if (!plan->has_rootfs)
		return;
	plan->rootfs = read_string(reader);
	plan->is_rootfs_readonly = read_bool(reader);
	plan->propagation = read_u32(reader);
	plan->propagation_after_pivot = read_u32(reader);
	plan->pivot = read_u8(reader);
	if (plan->rootfs[0] != '/' || plan->pivot > PIVOT_CHROOT)
		refuse(reader, EINVAL);
}

static struct plan_mount read_mount(struct reader *reader)
{
	struct plan_mount mount = { .source_fd = -1 };

	mount.target = read_string(reader);
	mount.source = read_optional_string(reader);
	mount.fstype = read_optional_string(reader);
	mount.flags = read_u32(reader);
	mount.clear_flags = read_u32(reader);
	mount.data = read_optional_string(reader);
	mount.propagation = read_numbers(reader, &mount.propagation_count);
	mount.recursive_set = read_u64(reader);
	mount.recursive_clear = read_u64(reader);
	mount.create_target = read_u8(reader);
	mount.is_copy_up = read_bool(reader);
	mount.is_readonly_late = read_bool(reader);
	mount.fallback_bind = read_optional_string(reader);
	if (mount.create_target > TARGET_NEVER)
		refuse(reader, EINVAL);
	return mount;
}

static struct plan_device read_device(struct reader *reader)
{
	struct plan_device device = { 0 };

	device.path = read_string(reader);
	device.type = read_u8(reader);
	device.major = read_u32(reader);
	device.minor = read_u32(reader);
	device.mode = read_u32(reader);
	device.uid = read_u32(reader);
	device.gid = read_u32(reader);
	device.bind_from = read_optional_string(reader);
	if (device.type != 'c' && device.type != 'b' && device.type != 'p')
		refuse(reader, EINVAL);
	return device;
}

static void read_filesystem(struct reader *reader, struct plan *plan)
{
	enum { MOUNT_BYTES_MIN = 40, DEVICE_BYTES_MIN = 27 };

	read_rootfs(reader, plan);
	plan->mounts = read_array(reader, MOUNT_BYTES_MIN, sizeof(*plan->mounts), 0, &plan->mount_count);
	for (uint32_t i = 0; i < plan->mount_count; i++)
		plan->mounts[i] = read_mount(reader);
	plan->devices = read_array(reader, DEVICE_BYTES_MIN, sizeof(*plan->devices), 0, &plan->device_count);
	for (uint32_t i = 0; i < plan->device_count; i++)
		plan->devices[i] = read_device(reader);
	plan->links = read_pairs(reader, &plan->link_count);
	plan->masked_paths = read_strings(reader, 0);
	plan->readonly_paths = read_strings(reader, 0);
}

static void read_console(struct reader *reader, struct plan *plan)
{
	plan->has_console = read_bool(reader);
	if (!plan->has_console)
		return;
	plan->console_socket = read_string(reader);
	plan->console_width = read_u16(reader);
	plan->console_height = read_u16(reader);
	plan->is_console_bound = read_bool(reader);
}

static struct plan_hooks read_hooks(struct reader *reader)
{
	enum { HOOK_BYTES_MIN = 17 };
	struct plan_hooks hooks = { 0 };

	hooks.state_before = read_string(reader);
	hooks.state_after = read_string(reader);
	hooks.items = read_array(reader, HOOK_BYTES_MIN, sizeof(*hooks.items), 0, &hooks.count);
	if (hooks.count > HOOKS_MAX)
		refuse(reader, EINVAL);
	for (uint32_t i = 0; i < hooks.count; i++) {
		hooks.items[i].path = read_string(reader);
		hooks.items[i].args = read_strings(reader, 0);
		hooks.items[i].env = read_strings(reader, 0);
		hooks.items[i].timeout_ms = read_u32(reader);
	}
	return hooks;
}

static struct plan_capabilities read_capabilities(struct reader *reader)
{
	struct plan_capabilities capabilities = { .is_present = read_bool(reader) };

	if (capabilities.is_present) {
		capabilities.bounding = read_u64(reader);
		capabilities.effective = read_u64(reader);
		capabilities.permitted = read_u64(reader);
		capabilities.inheritable = read_u64(reader);
		capabilities.ambient = read_u64(reader);
	}
	return capabilities;
}

static void read_seccomp(struct reader *reader, struct plan_process *process)
{
	size_t instruction_count;

	process->has_seccomp = read_bool(reader);
	if (!process->has_seccomp)
		return;
	process->seccomp_flags = read_u32(reader);
	process->seccomp = read_byte_string(reader);
	instruction_count = process->seccomp.size / sizeof(struct sock_filter);
	if (process->seccomp.size % sizeof(struct sock_filter) != 0 || instruction_count == 0 || instruction_count > BPF_MAXINSNS)
		refuse(reader, EINVAL);
}

static void read_rlimits(struct reader *reader, struct plan_process *process)
{
	enum { RLIMIT_BYTES = 20 };

	process->rlimits = read_array(reader, RLIMIT_BYTES, sizeof(*process->rlimits), 0, &process->rlimit_count);
	for (uint32_t i = 0; i < process->rlimit_count; i++) {
		process->rlimits[i].resource = read_u32(reader);
		process->rlimits[i].soft = read_u64(reader);
		process->rlimits[i].hard = read_u64(reader);
	}
}

static struct plan_scheduler read_scheduler(struct reader *reader)
{
	struct plan_scheduler scheduler = { .is_present = read_bool(reader) };

	if (scheduler.is_present) {
		scheduler.policy = read_u32(reader);
		scheduler.flags = read_u64(reader);
		scheduler.nice = (int32_t)read_u32(reader);
		scheduler.priority = read_u32(reader);
		scheduler.runtime = read_u64(reader);
		scheduler.deadline = read_u64(reader);
		scheduler.period = read_u64(reader);
	}
	return scheduler;
}

static void read_process(struct reader *reader, struct plan_process *process)
{
	enum { ADDED_VARIABLES = 2 /* HOME, LISTEN_PID */ };

	process->args = read_strings(reader, 0);
	process->env = read_strings(reader, ADDED_VARIABLES);
	process->cwd = read_string(reader);
	process->uid = read_u32(reader);
	process->gid = read_u32(reader);
	process->groups = read_numbers(reader, &process->group_count);
	process->can_setgroups = read_bool(reader);
	process->umask = read_u32(reader);
	process->capabilities = read_capabilities(reader);
	process->is_no_new_privileges = read_bool(reader);
	read_seccomp(reader, process);
	read_rlimits(reader, process);
	process->session_keyring = read_optional_string(reader);
	if (read_bool(reader)) {
		process->is_apparmor = read_bool(reader);
		process->lsm_label = read_string(reader);
	}
	process->scheduler = read_scheduler(reader);
	process->has_io_priority = read_bool(reader);
	process->io_priority = process->has_io_priority ? read_u32(reader) : 0;
	process->has_personality = read_bool(reader);
	process->personality = process->has_personality ? read_u32(reader) : 0;
	process->cpu_affinity = read_byte_string(reader);
	process->has_listen_pid = read_bool(reader);
	if (process->args.count == 0 || process->cwd[0] != '/')
		refuse(reader, EINVAL);
}

/* The header: magic, version, size of everything. */
static void read_header(struct reader *reader, size_t size)
{
	if (read_u32(reader) != MAGIC)
		refuse(reader, EINVAL);
	if (read_u32(reader) != PLAN_VERSION)
		refuse(reader, EPROTO);
	if (read_u32(reader) != size)
		refuse(reader, EINVAL);
}

static uint32_t own_namespaces(const struct plan *plan)
{
	uint32_t flags = plan->create_flags | plan->pidfd_flags;

	for (uint32_t i = 0; i < plan->join_count; i++)
		flags |= plan->joins[i].type;
	return flags;
}

/* A plan must not change the mounts or names of the namespaces that the runtime itself lives in. */
static int check_isolation(const struct plan *plan)
{
	uint32_t flags = own_namespaces(plan);
	bool is_pivoted = plan->has_rootfs && plan->pivot != PIVOT_CHROOT;
	bool is_mounting = plan->mount_count || plan->masked_paths.count || plan->readonly_paths.count || is_pivoted || plan->is_rootfs_readonly;

	if (is_mounting && !(plan->create_flags & CLONE_NEWNS))
		return -EPERM;
	if ((plan->hostname || plan->domainname) && !(flags & CLONE_NEWUTS))
		return -EPERM;
	if (plan->device_count + plan->link_count > 0 && !plan->has_rootfs)
		return -EPERM;
	if (plan->kind == PLAN_EXEC && (plan->create_flags || plan->has_rootfs || plan->exec_fifo || plan->is_hooks_wanted))
		return -EPERM;
	if (plan->is_loopback_up && !(flags & CLONE_NEWNET))
		return -EPERM;
	return 0;
}

int plan_decode(uint8_t *bytes, size_t size, struct plan *ret_plan)
{
	struct reader reader = { .at = bytes, .end = bytes + size };
	struct plan plan = { 0 };
	uint8_t kind;
	int r;

	read_header(&reader, size);
	kind = read_u8(&reader);
	if (kind > PLAN_EXEC)
		refuse(&reader, EINVAL);
	plan.kind = kind;
	read_namespaces(&reader, &plan);
	read_mappings(&reader, &plan);
	plan.monotonic = read_time_offset(&reader);
	plan.boottime = read_time_offset(&reader);
	plan.cgroup_procs = read_strings(&reader, 0);
	plan.has_oom_score_adj = read_bool(&reader);
	plan.oom_score_adj = plan.has_oom_score_adj ? (int32_t)read_u32(&reader) : 0;
	plan.is_loopback_up = read_bool(&reader);
	read_filesystem(&reader, &plan);
	plan.hostname = read_optional_string(&reader);
	plan.domainname = read_optional_string(&reader);
	plan.sysctls = read_pairs(&reader, &plan.sysctl_count);
	read_console(&reader, &plan);
	plan.exec_fifo = read_optional_string(&reader);
	plan.is_hooks_wanted = read_bool(&reader);
	plan.create_container_hooks = read_hooks(&reader);
	plan.start_container_hooks = read_hooks(&reader);
	read_process(&reader, &plan.process);
	if (reader.error == 0 && left(&reader) != 0)
		reader.error = EINVAL;
	if (reader.error != 0)
		return -reader.error;
	r = check_isolation(&plan);
	if (r < 0)
		return r;
	*ret_plan = plan;
	return 0;
}
