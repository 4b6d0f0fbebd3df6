import { readFileSync } from 'node:fs';
import type { CgroupResources } from '@dray/libcontainer';
import { RuncError } from '../errors.ts';
import { decodeResources, parseJson } from '../spec/load.ts';
import type { CommandContext, FlagReader } from './command.ts';

/** `update` */
export function update({ runtime, flags, args: [id = ''] }: CommandContext): Promise<number> {
  runtime.state(id);
  const file = flags.text('resources');
  runtime.update(id, file === undefined || file === '' ? fromFlags(flags) : decodeResources(parseJson(readFileSync(file === '-' ? 0 : file, 'utf8'))));
  return Promise.resolve(0);
}

function fromFlags(flags: FlagReader): CgroupResources {
  if (flags.isSet('l3-cache-schema') || flags.isSet('mem-bw-schema')) throw invalid('Intel RDT: l3 cache schema and memory bandwidth schema are not supported');
  const memory = { ...bytes(flags, 'memory', 'limit'), ...bytes(flags, 'memory-reservation', 'reservation'), ...bytes(flags, 'memory-swap', 'swap') };
  const cpu = {
    ...number(flags, 'cpu-share', 'shares'),
    ...number(flags, 'cpu-period', 'period'),
    ...number(flags, 'cpu-quota', 'quota'),
    ...number(flags, 'cpu-burst', 'burst'),
    ...number(flags, 'cpu-rt-period', 'realtimePeriod'),
    ...number(flags, 'cpu-rt-runtime', 'realtimeRuntime'),
    ...number(flags, 'cpu-idle', 'idle'),
    ...text(flags, 'cpuset-cpus', 'cpus'),
    ...text(flags, 'cpuset-mems', 'mems'),
  };
  const weight = number(flags, 'blkio-weight', 'weight');
  const pids = flags.integer('pids-limit');
  return {
    ...(Object.keys(memory).length === 0 ? {} : { memory }),
    ...(Object.keys(cpu).length === 0 ? {} : { cpu }),
    ...(Object.keys(weight).length === 0 ? {} : { blockIO: weight }),
    ...(pids === undefined ? {} : { pids: { limit: pids } }),
  };
}

function bytes(flags: FlagReader, name: string, key: string): Record<string, number> {
  const value = flags.text(name);
  if (value === undefined || value === '') return {};
  return { [key]: value === '-1' ? -1 : parseBytes(name, value) };
}

/** A size such as `512m` or `1.5GiB`: all units are powers of 1024. */
function parseBytes(name: string, value: string): number {
  const match = /^(\d+(?:\.\d+)?) ?([kmgtp]?)(i?b)?$/i.exec(value);
  if (match === null) throw invalid(`invalid value for ${name}: invalid size: '${value}'`);
  const power = ' kmgtp'.indexOf((match[2] ?? '').toLowerCase() || ' ');
  return Math.trunc(Number(match[1]) * 1024 ** power);
}

function number(flags: FlagReader, name: string, key: string): Record<string, number> {
  const value = flags.text(name);
  if (value === undefined || value === '') return {};
  if (!/^-?\d+$/.test(value)) throw invalid(`invalid value for ${name}: strconv.ParseInt: parsing ${JSON.stringify(value)}: invalid syntax`);
  return { [key]: Number(value) };
}

function text(flags: FlagReader, name: string, key: string): Record<string, string> {
  const value = flags.text(name);
  return value === undefined || value === '' ? {} : { [key]: value };
}

function invalid(message: string): RuncError {
  return new RuncError({ kind: 'invalid_argument', code: 'INVALID_RESOURCES', message });
}
