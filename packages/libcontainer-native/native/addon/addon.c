/* The addon's door: registers every primitive of the other files. It keeps no state, so that any number of threads may load it. */
#include "addon.h"

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */)
{
	bool is_registered = register_calls(env, exports) && register_spawn(env, exports) && register_watch(env, exports) &&
			     register_messages(env, exports) && register_netns(env, exports) && register_bpf(env, exports);

	return is_registered ? exports : NULL;
}
