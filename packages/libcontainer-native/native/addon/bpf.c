/* bpf(2): the attribute structure holds addresses, which only native code can fill in. */
#include "addon.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { ATTRIBUTE_BYTES_MAX = 256, POINTERS_MAX = 8 };

/* One [offset, bytes] pair: stores the address of `bytes` at `offset` of the attribute. */
static bool fill_pointer(napi_env env, napi_value pair, uint8_t *attribute, size_t size)
{
	napi_value offset_value, bytes_value;
	uint32_t offset;
	uint8_t *bytes;
	size_t bytes_size;
	uint64_t address;

	if (napi_get_element(env, pair, 0, &offset_value) != napi_ok || napi_get_element(env, pair, 1, &bytes_value) != napi_ok ||
	    napi_get_value_uint32(env, offset_value, &offset) != napi_ok || !read_bytes(env, bytes_value, &bytes, &bytes_size))
		return false;
	if (offset > size || size - offset < sizeof(address))
		return false;
	address = (uint64_t)(uintptr_t)bytes;
	memcpy(attribute + offset, &address, sizeof(address));
	return true;
}

/* bpf(command, attribute, [[offset, bytes], …]) -> result or -errno; what the kernel writes into the attribute is copied back */
static napi_value bpf_call(napi_env env, napi_callback_info info)
{
	uint8_t attribute[ATTRIBUTE_BYTES_MAX] __attribute__((aligned(8))) = { 0 };
	napi_value arguments[3];
	size_t count = 3, size;
	uint32_t pointer_count;
	uint8_t *bytes;
	int command;
	long r;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 3 || !read_int(env, arguments[0], &command) ||
	    !read_bytes(env, arguments[1], &bytes, &size) || size > sizeof(attribute) ||
	    napi_get_array_length(env, arguments[2], &pointer_count) != napi_ok || pointer_count > POINTERS_MAX)
		return type_error(env, "bpf");
	if (size > 0)
		memcpy(attribute, bytes, size);
	for (uint32_t i = 0; i < pointer_count; i++) {
		napi_value pair;

		if (napi_get_element(env, arguments[2], i, &pair) != napi_ok || !fill_pointer(env, pair, attribute, size))
			return type_error(env, "bpf: pointer");
	}
	r = syscall(SYS_bpf, command, attribute, (unsigned int)size);
	r = r < 0 ? -errno : r;
	if (size > 0)
		memcpy(bytes, attribute, size);
	return number_result(env, r);
}

bool register_bpf(napi_env env, napi_value exports)
{
	return register_function(env, exports, "bpf", bpf_call, NULL);
}
