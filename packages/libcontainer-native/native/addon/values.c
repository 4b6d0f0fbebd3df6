/* Conversion of arguments and results. */
#include "addon.h"

#include <errno.h>
#include <string.h>

bool register_function(napi_env env, napi_value exports, const char *name, napi_callback callback, void *data)
{
	napi_value function;

	return napi_create_function(env, name, NAPI_AUTO_LENGTH, callback, data, &function) == napi_ok &&
	       napi_set_named_property(env, exports, name, function) == napi_ok;
}

napi_value number_result(napi_env env, int64_t value)
{
	napi_value result = NULL;

	napi_create_int64(env, value, &result);
	return result;
}

napi_value type_error(napi_env env, const char *what)
{
	napi_throw_type_error(env, NULL, what);
	return NULL;
}

bool read_int(napi_env env, napi_value value, int *ret_number)
{
	int32_t number;

	if (napi_get_value_int32(env, value, &number) != napi_ok)
		return false;
	*ret_number = number;
	return true;
}

bool read_bytes(napi_env env, napi_value value, uint8_t **ret_bytes, size_t *ret_size)
{
	napi_typedarray_type type;
	size_t size;
	void *bytes;
	bool is_typedarray = false;

	if (napi_is_typedarray(env, value, &is_typedarray) != napi_ok || !is_typedarray)
		return false;
	if (napi_get_typedarray_info(env, value, &type, &size, &bytes, NULL, NULL) != napi_ok || type != napi_uint8_array)
		return false;
	*ret_bytes = bytes;
	*ret_size = size;
	return true;
}

static int check_path(const char *buffer, size_t size)
{
	return strlen(buffer) == size ? 0 : -EINVAL;
}

int read_path(napi_env env, napi_value value, char *buffer, size_t capacity)
{
	uint8_t *bytes;
	size_t size;

	if (read_bytes(env, value, &bytes, &size)) {
		if (size >= capacity)
			return -ENAMETOOLONG;
		if (size > 0)
			memcpy(buffer, bytes, size);
		buffer[size] = 0;
		return check_path(buffer, size);
	}
	if (napi_get_value_string_utf8(env, value, NULL, 0, &size) != napi_ok)
		return -ENOTSUP;
	if (size >= capacity)
		return -ENAMETOOLONG;
	if (napi_get_value_string_utf8(env, value, buffer, capacity, &size) != napi_ok)
		return -ENOTSUP;
	return check_path(buffer, size);
}

napi_value get_property(napi_env env, napi_value object, const char *name)
{
	napi_value value;
	napi_valuetype type;

	if (napi_get_named_property(env, object, name, &value) != napi_ok || napi_typeof(env, value, &type) != napi_ok)
		return NULL;
	return type == napi_undefined || type == napi_null ? NULL : value;
}

int read_int_array(napi_env env, napi_value value, int *numbers, int max)
{
	uint32_t count;

	if (napi_get_array_length(env, value, &count) != napi_ok)
		return -EINVAL;
	if (count > (uint32_t)max)
		return -E2BIG;
	for (uint32_t i = 0; i < count; i++) {
		napi_value element;

		if (napi_get_element(env, value, i, &element) != napi_ok || !read_int(env, element, &numbers[i]))
			return -EINVAL;
	}
	return (int)count;
}
