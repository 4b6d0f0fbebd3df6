/* The addon's door: registers every primitive of the other files. */
#include "addon.h"

NAPI_MODULE_INIT(/* napi_env env, napi_value exports */)
{
	(void)env;
	return exports;
}
