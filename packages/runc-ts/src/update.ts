import type { CgroupResources, CpuResources } from '@dray/libcontainer';

/** The limits in force after an update: each part keeps what the update does not name. */
export function mergeResources(current: CgroupResources, update: CgroupResources): CgroupResources {
  return {
    ...current,
    ...update,
    ...mergePart('memory', current, update),
    ...mergePart('pids', current, update),
    ...mergePart('blockIO', current, update),
    ...(update.cpu === undefined ? {} : { cpu: mergeCpu(current.cpu ?? {}, update.cpu) }),
    ...(current.devices === undefined ? {} : { devices: current.devices }),
    ...(update.unified === undefined ? {} : { unified: { ...current.unified, ...update.unified } }),
  };
}

function mergePart(key: 'memory' | 'pids' | 'blockIO', current: CgroupResources, update: CgroupResources): Partial<CgroupResources> {
  return update[key] === undefined ? {} : { [key]: { ...current[key], ...definedOnly(update[key]) } };
}

/** 0 means "not given" in what callers send; runc reads it so. */
function mergeCpu(current: CpuResources, update: CpuResources): CpuResources {
  return { ...current, ...definedOnly(update) };
}

function definedOnly<T extends object>(value: T): Partial<T> {
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== undefined && each !== 0 && each !== '')) as Partial<T>;
}
