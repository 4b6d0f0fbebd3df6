/* Network namespaces, entered by a thread that does nothing else and ends: Node's own threads never change theirs. */
#include "addon.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <unistd.h>

struct job {
	char path[PATH_BYTES_MAX];
	int family, type, protocol;
	int result;
	const char *step;
	napi_async_work work;
	napi_deferred deferred;
};

static void *open_socket(void *data)
{
	struct job *job = data;
	int fd = open(job->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		job->result = -errno;
		return NULL;
	}
	if (setns(fd, CLONE_NEWNET) < 0) {
		job->result = -errno;
	} else {
		job->result = socket(job->family, job->type | SOCK_CLOEXEC, job->protocol);
		if (job->result < 0)
			job->result = -errno;
	}
	(void)close(fd);
	return NULL;
}

static void *create_namespace(void *data)
{
	struct job *job = data;
	int fd = open(job->path, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0444);

	job->step = "open";
	job->result = 0;
	if (fd < 0) {
		job->result = -errno;
		return NULL;
	}
	(void)close(fd);
	job->step = "unshare";
	if (unshare(CLONE_NEWNET) == 0) {
		job->step = "mount";
		if (mount("/proc/thread-self/ns/net", job->path, "none", MS_BIND, NULL) == 0)
			return NULL;
	}
	job->result = -errno;
	(void)unlink(job->path);
	return NULL;
}

/* Returns 0 or -errno of the thread itself; the work's own result is in the job. */
static int run_on_thread(void *(*run)(void *), struct job *job)
{
	pthread_t thread;
	int r = pthread_create(&thread, NULL, run, job);

	if (r == 0)
		r = pthread_join(thread, NULL);
	return -r;
}

/* socketInNetns(path, family, type, protocol) -> descriptor, or -errno */
static napi_value socket_in_netns(napi_env env, napi_callback_info info)
{
	struct job job = { .result = 0 };
	napi_value arguments[4];
	size_t count = 4;
	int r;

	if (napi_get_cb_info(env, info, &count, arguments, NULL, NULL) != napi_ok || count < 4 || !read_int(env, arguments[1], &job.family) ||
	    !read_int(env, arguments[2], &job.type) || !read_int(env, arguments[3], &job.protocol))
		return type_error(env, "socketInNetns");
	r = read_path(env, arguments[0], job.path, sizeof(job.path));
	if (r == -ENOTSUP)
		return type_error(env, "socketInNetns");
	if (r == 0)
		r = run_on_thread(open_socket, &job);
	return number_result(env, r < 0 ? r : job.result);
}

static void execute_create(napi_env env, void *data)
{
	struct job *job = data;
	int r = run_on_thread(create_namespace, job);

	(void)env;
	if (r < 0) {
		job->step = "pthread_create";
		job->result = r;
	}
}

static void complete_create(napi_env env, napi_status status, void *data)
{
	struct job *job = data;
	napi_value result = NULL, step = NULL;

	if (napi_create_object(env, &result) == napi_ok) {
		napi_create_string_utf8(env, job->step ? job->step : "unshare", NAPI_AUTO_LENGTH, &step);
		napi_set_named_property(env, result, "result", number_result(env, status == napi_ok ? job->result : -ECANCELED));
		napi_set_named_property(env, result, "step", step);
		napi_resolve_deferred(env, job->deferred, result);
	}
	napi_delete_async_work(env, job->work);
	free(job);
}

/* createNetns(path) -> Promise<{ result: 0 or -errno, step }>; it takes milliseconds, so it is done off the event loop */
static napi_value create_netns(napi_env env, napi_callback_info info)
{
	struct job *job = calloc(1, sizeof(*job));
	napi_value argument, name, promise;
	size_t count = 1;

	if (!job)
		return type_error(env, "createNetns: out of memory");
	if (napi_get_cb_info(env, info, &count, &argument, NULL, NULL) != napi_ok || count < 1 ||
	    read_path(env, argument, job->path, sizeof(job->path)) < 0 ||
	    napi_create_string_utf8(env, "dray:createNetns", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_async_work(env, NULL, name, execute_create, complete_create, job, &job->work) != napi_ok) {
		free(job);
		return type_error(env, "createNetns");
	}
	if (napi_create_promise(env, &job->deferred, &promise) != napi_ok || napi_queue_async_work(env, job->work) != napi_ok) {
		napi_delete_async_work(env, job->work);
		free(job);
		return type_error(env, "createNetns");
	}
	return promise;
}

bool register_netns(napi_env env, napi_value exports)
{
	return register_function(env, exports, "socketInNetns", socket_in_netns, NULL) && register_function(env, exports, "createNetns", create_netns, NULL);
}
