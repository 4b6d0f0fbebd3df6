import { posix } from 'node:path';
import { DEFAULT_DEVICES, type PlanDevice } from '@dray/libcontainer';
import { invalidSpec } from '../errors.ts';
import type { DeviceSpec } from './types.ts';

const MODE_DEFAULT = 0o666;

/**
 * The device nodes of a container: the default ones, where the configuration does not describe the same path, and its own.
 * @param bind in a user namespace nodes cannot be made; the host's are bound in their place
 */
export function planDevices(devices: readonly DeviceSpec[], { bind }: { readonly bind: boolean }): PlanDevice[] {
  const own = devices.map(planDevice);
  const paths = new Set(own.map((device) => device.path));
  const all = [...DEFAULT_DEVICES.filter((device) => !paths.has(device.path)), ...own];
  return bind ? all.map((device) => (device.type === 'p' ? device : { ...device, bindFrom: device.path })) : all;
}

function planDevice({ path, type, major, minor, fileMode, uid, gid }: DeviceSpec): PlanDevice {
  if (type !== 'c' && type !== 'b' && type !== 'u' && type !== 'p') throw invalidSpec(`invalid device type ${JSON.stringify(type)}`);
  return {
    path: posix.normalize(`/${path}`),
    type: type === 'u' ? 'c' : type,
    major,
    minor,
    mode: fileMode === undefined ? MODE_DEFAULT : fileMode & 0o777,
    uid: uid ?? 0,
    gid: gid ?? 0,
  };
}
