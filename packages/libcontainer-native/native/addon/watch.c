/*
 * watch(fd, events, callback): calls back on the event loop's thread each time the descriptor is ready. It watches a duplicate, so the owner may
 * close the descriptor at any time. States: watched → closing (unwatch, or the end of the environment) → freed, once libuv has let go of it
 * and the JavaScript handle has been collected.
 */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

struct watch {
	uv_poll_t poll;
	napi_env env;
	napi_ref callback;
	napi_async_context context;
	napi_async_cleanup_hook_handle cleanup;
	int fd;
	bool is_closing;
	bool is_closed;    /* libuv has let go */
	bool is_collected; /* JavaScript has let go */
};

static void free_when_unused(struct watch *watch)
{
	if (watch->is_closed && watch->is_collected)
		free(watch);
}

static void on_closed(uv_handle_t *handle)
{
	struct watch *watch = handle->data;

	(void)close(watch->fd);
	watch->is_closed = true;
	if (watch->cleanup)
		napi_remove_async_cleanup_hook(watch->cleanup);
	free_when_unused(watch);
}

static void begin_close(struct watch *watch)
{
	if (watch->is_closing)
		return;
	watch->is_closing = true;
	uv_poll_stop(&watch->poll);
	uv_close((uv_handle_t *)&watch->poll, on_closed);
}

static void release_callback(struct watch *watch)
{
	if (watch->callback)
		napi_delete_reference(watch->env, watch->callback);
	if (watch->context)
		napi_async_destroy(watch->env, watch->context);
	watch->callback = NULL;
	watch->context = NULL;
}

/* The environment (a worker thread, or the process) ends. */
static void on_environment_end(napi_async_cleanup_hook_handle cleanup, void *data)
{
	struct watch *watch = data;

	(void)cleanup;
	begin_close(watch);
}

static void on_collected(napi_env env, void *data, void *hint)
{
	struct watch *watch = data;

	(void)env;
	(void)hint;
	watch->is_collected = true;
	begin_close(watch);
	free_when_unused(watch);
}

static void on_ready(uv_poll_t *poll, int status, int events)
{
	struct watch *watch = poll->data;
	napi_env env = watch->env;
	napi_handle_scope scope;
	napi_value callback, receiver, arguments[2];

	if (watch->is_closing || napi_open_handle_scope(env, &scope) != napi_ok)
		return;
	arguments[0] = number_result(env, status);
	arguments[1] = number_result(env, events);
	if (napi_get_reference_value(env, watch->callback, &callback) == napi_ok && napi_get_global(env, &receiver) == napi_ok &&
	    napi_make_callback(env, watch->context, receiver, callback, 2, arguments, NULL) == napi_pending_exception) {
		napi_value error;

		if (napi_get_and_clear_last_exception(env, &error) == napi_ok)
			napi_fatal_exception(env, error);
	}
	napi_close_handle_scope(env, scope);
}

/* Returns 0 or -errno. On failure the poll handle was not started and the descriptor is closed. */
static int start_poll(struct watch *watch, uv_loop_t *loop, int fd, int events)
{
	int r;

	watch->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (watch->fd < 0)
		return -errno;
	r = uv_poll_init(loop, &watch->poll, watch->fd);
	if (r < 0) {
		(void)close(watch->fd);
		return r;
	}
	watch->poll.data = watch;
	r = uv_poll_start(&watch->poll, events, on_ready);
	return r;
}

static bool hold_callback(napi_env env, struct watch *watch, napi_value callback)
{
	napi_value name;

	return napi_create_reference(env, callback, 1, &watch->callback) == napi_ok &&
	       napi_create_string_utf8(env, "dray:watch", NAPI_AUTO_LENGTH, &name) == napi_ok &&
	       napi_async_init(env, NULL, name, &watch->context) == napi_ok &&
	       napi_add_async_cleanup_hook(env, on_environment_end, watch, &watch->cleanup) == napi_ok;
}

/* watch(fd, events, callback) -> handle, or -errno */
static napi_value watch_descriptor(napi_env env, napi_callback_info info)
{
	napi_value arguments[3], handle;
	size_t count = 3;
	uv_loop_t *loop;
	struct watch *watch;
	int fd, events, r;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 3 || !read_int(env, arguments[0], &fd) ||
	    !read_int(env, arguments[1], &events) || napi_get_uv_event_loop(env, &loop) != napi_ok)
		return type_error(env, "watch");
	watch = calloc(1, sizeof(*watch));
	if (!watch)
		return number_result(env, -ENOMEM);
	watch->env = env;
	r = start_poll(watch, loop, fd, events);
	if (r < 0 && !watch->poll.data) {
		free(watch);
		return number_result(env, r);
	}
	if (r < 0 || !hold_callback(env, watch, arguments[2]) || napi_create_external(env, watch, on_collected, NULL, &handle) != napi_ok) {
		watch->is_collected = true;
		release_callback(watch);
		begin_close(watch);
		return r < 0 ? number_result(env, r) : type_error(env, "watch");
	}
	return handle;
}

static struct watch *read_handle(napi_env env, napi_callback_info info, size_t count, napi_value *arguments)
{
	size_t given = count;
	void *watch;

	if (napi_get_cb_info(env, info, &given, arguments, NULL, NULL) != napi_ok || given < count ||
	    napi_get_value_external(env, arguments[0], &watch) != napi_ok)
		return NULL;
	return watch;
}

/* unwatch(handle): no call comes after it. */
static napi_value unwatch(napi_env env, napi_callback_info info)
{
	napi_value argument;
	struct watch *watch = read_handle(env, info, 1, &argument);

	if (!watch)
		return type_error(env, "unwatch");
	if (!watch->is_closing) {
		begin_close(watch);
		release_callback(watch);
	}
	return NULL;
}

/* setWatchRef(handle, isRef): whether it keeps the event loop alive. */
static napi_value set_watch_ref(napi_env env, napi_callback_info info)
{
	napi_value arguments[2];
	struct watch *watch = read_handle(env, info, 2, arguments);
	bool is_ref;

	if (!watch || napi_get_value_bool(env, arguments[1], &is_ref) != napi_ok)
		return type_error(env, "setWatchRef");
	if (is_ref)
		uv_ref((uv_handle_t *)&watch->poll);
	else
		uv_unref((uv_handle_t *)&watch->poll);
	return NULL;
}

bool register_watch(napi_env env, napi_value exports)
{
	return register_function(env, exports, "watch", watch_descriptor, NULL) && register_function(env, exports, "unwatch", unwatch, NULL) &&
	       register_function(env, exports, "setWatchRef", set_watch_ref, NULL);
}
