import { setTimeout as sleep } from 'node:timers/promises';
import { LibcontainerError } from '../errors.ts';
import type { Cgroup } from './cgroup.ts';
import { invalid } from './conversions.ts';
import { devicePolicy, devicesV1 } from './device-rules.ts';
import { type CgroupKernel, errnoCode, ifExists } from './kernel.ts';
import type { CgroupPaths } from './paths.ts';
import type { CgroupResources, CpuResources, MemoryResources } from './resources.ts';
import { settingsV1 } from './settings-v1.ts';
import { statsV1 } from './stats-v1.ts';
import type { CgroupStats } from './stats.ts';
import { isKill, makeDirectories, parent, pidsBelow, removeTree, signalEach } from './tree.ts';

const FREEZE_TRIES = 1000;
/** A freezer that is stuck in FREEZING gets going again when it is thawed for a moment. */
const FREEZE_KICK_EVERY = 25;
const FREEZE_DELAY_MS = 1;

/** Options of {@link CgroupV1}. */
export interface CgroupV1Options {
  readonly kernel: CgroupKernel;
  readonly paths: CgroupPaths;
  /** Rootless: hierarchies that may not be written are left out, until a limit needs one. */
  readonly soft: boolean;
}

/** A container's cgroups in the v1 hierarchies. */
export class CgroupV1 implements Cgroup {
  readonly version = 1;
  readonly #kernel: CgroupKernel;
  readonly #soft: boolean;
  readonly #paths: Record<string, string>;

  constructor({ kernel, paths, soft }: CgroupV1Options) {
    this.#kernel = kernel;
    this.#soft = soft;
    this.#paths = { ...paths };
  }

  get paths(): CgroupPaths {
    return this.#paths;
  }

  get joinFiles(): readonly string[] {
    return Object.values(this.#paths).map((path) => `${path}/tasks`);
  }

  get unifiedDirectory(): undefined {
    return undefined;
  }

  create(): void {
    for (const [controller, path] of Object.entries(this.#paths)) {
      try {
        this.#createOne(controller, path);
      } catch (error) {
        if (!(this.#soft && isPermission(error))) throw error;
        Reflect.deleteProperty(this.#paths, controller);
      }
    }
  }

  apply(resources: CgroupResources): void {
    for (const { controller, file, value } of settingsV1(resources)) this.#set(controller, file, value);
    if (resources.memory !== undefined) this.#setMemory(resources.memory);
    if (resources.cpu !== undefined) this.#setCpu(resources.cpu);
    if (resources.devices !== undefined) this.#setDevices(resources.devices);
  }

  pids(): number[] {
    return this.#main === undefined ? [] : pidsBelow(this.#kernel, this.#main);
  }

  isFrozen(): boolean {
    return this.#freezerState() !== undefined && this.#freezerState() !== 'THAWED' && this.#isFreezerOwn();
  }

  async freeze(): Promise<void> {
    const path = this.#freezer();
    for (let tries = 1; tries <= FREEZE_TRIES; tries++) {
      this.#kernel.write(`${path}/freezer.state`, 'FROZEN');
      if (this.#freezerState() === 'FROZEN') return;
      if (tries % FREEZE_KICK_EVERY === 0) this.#kernel.write(`${path}/freezer.state`, 'THAWED');
      await sleep(FREEZE_DELAY_MS);
    }
    this.#kernel.write(`${path}/freezer.state`, 'THAWED');
    throw new LibcontainerError({ kind: 'unavailable', code: 'FREEZE_FAILED', message: 'unable to freeze', path });
  }

  thaw(): Promise<void> {
    this.#kernel.write(`${this.#freezer()}/freezer.state`, 'THAWED');
    return Promise.resolve();
  }

  async signalAll(signal: number): Promise<void> {
    if (!this.exists()) return;
    const freezable = this.#paths['freezer'] !== undefined && !this.isFrozen();
    if (freezable) await this.freeze();
    try {
      signalEach(this.#kernel, this.pids(), signal);
    } finally {
      if (freezable || (isKill(signal) && this.isFrozen())) await this.thaw();
    }
  }

  stats(): CgroupStats {
    return statsV1(this.#kernel, this.#paths);
  }

  exists(): boolean {
    return this.#main !== undefined && this.#kernel.exists(this.#main);
  }

  async delete(): Promise<void> {
    // One hierarchy's failure must not leave the others behind.
    const results = await Promise.allSettled(Object.values(this.#paths).map((path) => removeTree(this.#kernel, path)));
    const failed = results.find((result) => result.status === 'rejected');
    if (failed !== undefined) throw failed.reason;
  }

  /** Any hierarchy lists the processes; these are present on every system that has v1 at all. */
  get #main(): string | undefined {
    return this.#paths['devices'] ?? this.#paths['pids'] ?? this.#paths['memory'] ?? Object.values(this.#paths)[0];
  }

  #createOne(controller: string, path: string): void {
    const made = makeDirectories(this.#kernel, path);
    if (controller === 'cpuset') for (const directory of made) this.#inheritCpuset(directory);
    if (made.length === 0) this.#requireUnused(path);
  }

  /** A new cpuset is empty and takes no process; an existing one may have been left so by somebody else. */
  #inheritCpuset(directory: string): void {
    for (const file of ['cpuset.cpus', 'cpuset.mems']) {
      const inherited = this.#kernel.read(`${parent(directory)}/${file}`).trim();
      this.#kernel.write(`${directory}/${file}`, inherited);
    }
  }

  #requireUnused(path: string): void {
    const pids = pidsBelow(this.#kernel, path);
    if (pids.length > 0) {
      throw new LibcontainerError({ kind: 'failed_precondition', code: 'CGROUP_NOT_EMPTY', message: `container's cgroup is not empty: ${pids.length} process(es) found`, path });
    }
  }

  #set(controller: string, file: string, value: string): void {
    const path = this.#paths[controller];
    if (path === undefined) throw missingController(controller);
    this.#kernel.write(`${path}/${file}`, value);
  }

  #setMemory(memory: MemoryResources): void {
    const limit = memory.limit ?? 0;
    let swap = memory.swap ?? 0;
    const path = this.#paths['memory'];
    if (limit === 0 && swap === 0) return;
    if (path === undefined) throw missingController('memory');
    if (memory.checkBeforeUpdate === true && limit > 0) this.#requireRoom(path, limit);
    const swapFile = `${path}/memory.memsw.limit_in_bytes`;
    if (limit === -1 && swap === 0 && this.#kernel.exists(swapFile)) swap = -1;
    const swapFirst = limit !== 0 && swap !== 0 && (swap === -1 || this.#currentLimit(path) < BigInt(swap));
    if (swapFirst) this.#setSwap(swap, swapFile);
    if (limit !== 0) this.#setMemoryLimit(path, limit);
    if (!swapFirst) this.#setSwap(swap, swapFile);
  }

  #currentLimit(path: string): bigint {
    return BigInt(this.#kernel.read(`${path}/memory.limit_in_bytes`).trim());
  }

  #setSwap(swap: number, file: string): void {
    if (swap !== 0) this.#kernel.write(file, String(swap));
  }

  #setMemoryLimit(path: string, limit: number): void {
    try {
      this.#kernel.write(`${path}/memory.limit_in_bytes`, String(limit));
    } catch (error) {
      if (errnoCode(error) !== 'EBUSY') throw error;
      const [usage, peak] = ['usage', 'max_usage'].map((name) => this.#kernel.read(`${path}/memory.${name}_in_bytes`).trim());
      throw invalid(`unable to set memory limit to ${limit} (current usage: ${usage}, peak usage: ${peak})`);
    }
  }

  #requireRoom(path: string, limit: number): void {
    const usage = BigInt(this.#kernel.read(`${path}/memory.usage_in_bytes`).trim());
    if (usage >= BigInt(limit)) throw invalid(`rejecting memory limit ${limit} <= usage ${usage}`);
  }

  #setCpu(cpu: CpuResources): void {
    if (cpu.realtimePeriod !== undefined && cpu.realtimePeriod !== 0) this.#set('cpu', 'cpu.rt_period_us', String(cpu.realtimePeriod));
    if (cpu.realtimeRuntime !== undefined && cpu.realtimeRuntime !== 0) this.#set('cpu', 'cpu.rt_runtime_us', String(cpu.realtimeRuntime));
    if (cpu.idle !== undefined) this.#set('cpu', 'cpu.idle', String(cpu.idle));
    if (cpu.shares !== undefined && cpu.shares !== 0) this.#setShares(cpu.shares);
    this.#setBandwidth(cpu.period ?? 0, cpu.quota ?? 0);
    if (cpu.burst !== undefined) this.#set('cpu', 'cpu.cfs_burst_us', String(cpu.burst));
  }

  /** The kernel clamps shares without an error, which a caller would never learn. */
  #setShares(shares: number): void {
    this.#set('cpu', 'cpu.shares', String(shares));
    const actual = Number(this.#kernel.read(`${this.#paths['cpu'] ?? ''}/cpu.shares`).trim());
    if (shares > actual) throw invalid(`the maximum allowed cpu-shares is ${actual}`);
    if (shares < actual) throw invalid(`the minimum allowed cpu-shares is ${actual}`);
  }

  /** A shorter period may be refused because of the old quota; it is written again behind the new quota. */
  #setBandwidth(period: number, quota: number): void {
    let periodLeft = period !== 0;
    if (periodLeft) {
      try {
        this.#set('cpu', 'cpu.cfs_period_us', String(period));
        periodLeft = false;
      } catch (error) {
        if (errnoCode(error) !== 'EINVAL' || quota === 0) throw error;
      }
    }
    if (quota !== 0) this.#set('cpu', 'cpu.cfs_quota_us', String(quota));
    if (periodLeft) this.#set('cpu', 'cpu.cfs_period_us', String(period));
  }

  #setDevices(rules: NonNullable<CgroupResources['devices']>): void {
    const path = this.#paths['devices'];
    // Inside a user namespace the device list cannot be changed, and need not be: devices cannot be made there.
    if (path === undefined) {
      if (this.#soft) return;
      throw missingController('devices');
    }
    const { deny, allow } = devicesV1(devicePolicy(rules));
    try {
      const writes = [['devices.deny', deny], ['devices.allow', allow]] as const;
      for (const [file, values] of allow[0] === 'a' ? writes.toReversed() : writes) this.#kernel.writeEach(`${path}/${file}`, values);
    } catch (error) {
      if (!(this.#soft && isPermission(error))) throw error;
    }
  }

  #freezer(): string {
    const path = this.#paths['freezer'];
    if (path === undefined) throw new LibcontainerError({ kind: 'failed_precondition', code: 'NO_FREEZER', message: 'cannot toggle freezer: cgroups not configured for container' });
    return path;
  }

  #freezerState(): string | undefined {
    const path = this.#paths['freezer'];
    return path === undefined ? undefined : ifExists(() => this.#kernel.read(`${path}/freezer.state`).trim());
  }

  /** Frozen by its own doing; a parent's freezer shows through in freezer.state, but thawing here would not help. */
  #isFreezerOwn(): boolean {
    return ifExists(() => this.#kernel.read(`${this.#paths['freezer'] ?? ''}/freezer.self_freezing`).trim()) !== '0';
  }
}

function missingController(controller: string): LibcontainerError {
  return new LibcontainerError({ kind: 'failed_precondition', code: 'CONTROLLER_MISSING', message: `cannot set ${controller} limit: container could not join or create cgroup` });
}

function isPermission(error: unknown): boolean {
  return ['EPERM', 'EACCES', 'EROFS'].includes(errnoCode(error) ?? '');
}
