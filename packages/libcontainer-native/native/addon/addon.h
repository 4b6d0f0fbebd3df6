/* What the files of the addon share. Every primitive returns 0 or more, or -errno: errors are built in TypeScript. */
#ifndef DRAY_ADDON_H
#define DRAY_ADDON_H

#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { PATH_BYTES_MAX = 4096 };

/* Each file registers its functions on `exports`; false with a pending exception when Node refuses. */
bool register_calls(napi_env env, napi_value exports);
bool register_spawn(napi_env env, napi_value exports);
bool register_watch(napi_env env, napi_value exports);
bool register_messages(napi_env env, napi_value exports);
bool register_netns(napi_env env, napi_value exports);
bool register_bpf(napi_env env, napi_value exports);

bool register_function(napi_env env, napi_value exports, const char *name, napi_callback callback, void *data);

/* The result of every primitive. */
napi_value number_result(napi_env env, int64_t value);
/* A TypeError for an argument of the wrong type: a bug in our own TypeScript. Returns NULL. */
napi_value type_error(napi_env env, const char *what);

/* Readers of arguments; false when the value is of another type. */
bool read_int(napi_env env, napi_value value, int *ret_number);
/* A Uint8Array (or Buffer); the memory is valid while the value is. */
bool read_bytes(napi_env env, napi_value value, uint8_t **ret_bytes, size_t *ret_size);
/*
 * A string or Uint8Array as a NUL-terminated copy in `buffer` of `capacity` bytes. Returns 0, -ENAMETOOLONG, -EINVAL for an embedded NUL, or
 * -ENOTSUP for a value of another type.
 */
int read_path(napi_env env, napi_value value, char *buffer, size_t capacity);
/* A named property of an object; NULL when it is undefined or null. */
napi_value get_property(napi_env env, napi_value object, const char *name);
/* An array of descriptors. Returns how many, -E2BIG for more than `max`, or -EINVAL. */
int read_int_array(napi_env env, napi_value value, int *numbers, int max);

#endif
