#ifndef DRAY_ADDON_H
#define DRAY_ADDON_H

#include <node_api.h>

#endif
