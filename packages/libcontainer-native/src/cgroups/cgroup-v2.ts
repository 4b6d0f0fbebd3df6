import { setTimeout as sleep } from 'node:timers/promises';
import { LibcontainerError } from '../errors.ts';
import type { Cgroup, DeviceProgramLoader } from './cgroup.ts';
import { invalid } from './conversions.ts';
import { deviceProgram } from './device-program.ts';
import { devicePolicy } from './device-rules.ts';
import { type CgroupKernel, errnoCode, ifExists } from './kernel.ts';
import type { CgroupPaths } from './paths.ts';
import type { CgroupResources, MemoryResources } from './resources.ts';
import { settingsV2 } from './settings-v2.ts';
import type { Setting } from './settings-v1.ts';
import { parsePairs } from './stat-files.ts';
import { statsV2 } from './stats-v2.ts';
import type { CgroupStats } from './stats.ts';
import { isKill, makeDirectories, parent, pidsBelow, removeTree, signalEach } from './tree.ts';

const FREEZE_WAIT_TRIES = 500;
const FREEZE_DELAY_MS = 1;
/** Controllers that a group of threads may not have. */
const DOMAIN_CONTROLLERS = ['memory', 'io', 'hugetlb', 'rdma'];

/** Options of {@link CgroupV2}. */
export interface CgroupV2Options {
  readonly kernel: CgroupKernel;
  /** Where the hierarchy is mounted: nothing above is touched. */
  readonly mountpoint: string;
  readonly directory: string;
  /** Rootless: errors of permission are ignored until a limit needs them. */
  readonly soft: boolean;
  readonly devices: DeviceProgramLoader;
}

/** A container's cgroup in the v2 hierarchy. */
export class CgroupV2 implements Cgroup {
  readonly version = 2;
  readonly paths: CgroupPaths;
  readonly #kernel: CgroupKernel;
  readonly #mountpoint: string;
  readonly #directory: string;
  readonly #soft: boolean;
  readonly #devices: DeviceProgramLoader;

  constructor({ kernel, mountpoint, directory, soft, devices }: CgroupV2Options) {
    this.#kernel = kernel;
    this.#mountpoint = mountpoint;
    this.#directory = directory;
    this.#soft = soft;
    this.#devices = devices;
    this.paths = { '': directory };
  }

  get joinFiles(): readonly string[] {
    return [`${this.#directory}/cgroup.procs`];
  }

  get unifiedDirectory(): string | undefined {
    return this.#directory;
  }

  create(): void {
    try {
      const made = makeDirectories(this.#kernel, this.#directory);
      if (made.length === 0) this.#requireUnused();
      this.#delegateControllers();
    } catch (error) {
      if (!(this.#soft && isPermission(error))) throw error;
    }
  }

  apply(resources: CgroupResources): void {
    const settings = settingsV2(resources, this.#kernel.exists(`${this.#directory}/io.bfq.weight`));
    this.#requireDomain(settings);
    if (resources.memory?.checkBeforeUpdate === true) this.#requireRoom(resources.memory);
    for (const setting of settings) this.#write(setting, resources);
    if (resources.devices !== undefined) this.#setDevices(resources.devices);
  }

  pids(): number[] {
    return pidsBelow(this.#kernel, this.#directory);
  }

  isFrozen(): boolean {
    return ifExists(() => this.#kernel.read(`${this.#directory}/cgroup.freeze`).trim()) === '1';
  }

  async freeze(): Promise<void> {
    this.#kernel.write(`${this.#directory}/cgroup.freeze`, '1');
    for (let tries = 0; tries < FREEZE_WAIT_TRIES; tries++) {
      if (parsePairs(this.#kernel.read(`${this.#directory}/cgroup.events`))['frozen'] === 1n) return;
      await sleep(FREEZE_DELAY_MS);
    }
    await this.thaw();
    throw new LibcontainerError({ kind: 'unavailable', code: 'FREEZE_FAILED', message: 'timeout waiting for the cgroup to freeze', path: this.#directory });
  }

  thaw(): Promise<void> {
    this.#kernel.write(`${this.#directory}/cgroup.freeze`, '0');
    return Promise.resolve();
  }

  async signalAll(signal: number): Promise<void> {
    if (!this.exists() || (isKill(signal) && this.#killAtOnce())) return;
    const freezing = !this.isFrozen();
    if (freezing) await this.freeze();
    try {
      signalEach(this.#kernel, this.pids(), signal);
    } finally {
      if (freezing || isKill(signal)) await this.thaw();
    }
  }

  stats(): CgroupStats {
    return statsV2(this.#kernel, this.#directory);
  }

  exists(): boolean {
    return this.#kernel.exists(this.#directory);
  }

  delete(): Promise<void> {
    return removeTree(this.#kernel, this.#directory);
  }

  /** Since Linux 5.14 one write kills all, frozen or forking. */
  #killAtOnce(): boolean {
    try {
      this.#kernel.write(`${this.#directory}/cgroup.kill`, '1');
      return true;
    } catch (error) {
      if (errnoCode(error) === 'ENOENT') return false;
      throw error;
    }
  }

  #requireUnused(): void {
    const pids = this.pids();
    if (pids.length > 0) {
      throw new LibcontainerError({ kind: 'failed_precondition', code: 'CGROUP_NOT_EMPTY', message: `container's cgroup is not empty: ${pids.length} process(es) found`, path: this.#directory });
    }
  }

  /**
   * Gives the container all controllers that the root has. In the usual case the parents do so already and one read shows it; otherwise each
   * level from the top is asked in turn.
   */
  #delegateControllers(): void {
    const wanted = words(this.#kernel.read(`${this.#mountpoint}/cgroup.controllers`));
    const available = new Set(words(this.#kernel.read(`${this.#directory}/cgroup.controllers`)));
    if (wanted.every((controller) => available.has(controller))) return;
    for (const level of this.#levelsAbove()) this.#enable(level, wanted);
    this.#leaveInvalidDomain();
  }

  #levelsAbove(): string[] {
    const levels: string[] = [];
    for (let level = parent(this.#directory); level.length >= this.#mountpoint.length; level = parent(level)) {
      levels.unshift(level);
      if (level === this.#mountpoint) break;
    }
    return levels;
  }

  /** All at once, or one by one where some are refused (a realtime process blocks `cpu`, threads block `memory`). */
  #enable(level: string, controllers: readonly string[]): void {
    const file = `${level}/cgroup.subtree_control`;
    const missing = controllers.filter((controller) => !words(this.#kernel.read(file)).includes(controller));
    if (missing.length === 0) return;
    try {
      this.#kernel.write(file, missing.map((controller) => `+${controller}`).join(' '));
      return;
    } catch (error) {
      if (this.#soft && isPermission(error)) return;
    }
    for (const controller of missing) {
      try {
        this.#kernel.write(file, `+${controller}`);
      } catch {
        // What stays missing shows when a limit needs it, with the name of the file.
      }
    }
  }

  /** Below a threaded group, a new one can only be threaded too. */
  #leaveInvalidDomain(): void {
    const type = ifExists(() => this.#kernel.read(`${this.#directory}/cgroup.type`).trim());
    if (type === 'domain invalid') this.#kernel.write(`${this.#directory}/cgroup.type`, 'threaded');
  }

  #requireDomain(settings: readonly Setting[]): void {
    if (!settings.some(({ controller }) => DOMAIN_CONTROLLERS.includes(controller))) return;
    const type = ifExists(() => this.#kernel.read(`${this.#directory}/cgroup.type`).trim()) ?? 'domain';
    if (type === 'threaded' || type === 'domain threaded') {
      throw new LibcontainerError({ kind: 'failed_precondition', code: 'CGROUP_THREADED', message: `cannot enter cgroupv2 ${JSON.stringify(this.#directory)} with domain controllers -- it is in ${type} mode` });
    }
  }

  #requireRoom(memory: MemoryResources): void {
    const limit = memory.limit ?? 0;
    const usage = BigInt(this.#kernel.read(`${this.#directory}/memory.current`).trim());
    if (limit > 0 && usage >= BigInt(limit)) throw invalid(`rejecting memory limit ${limit} <= usage ${usage}`);
  }

  #write({ controller, file, value }: Setting, resources: CgroupResources): void {
    try {
      this.#kernel.write(`${this.#directory}/${file}`, value);
    } catch (error) {
      if (errnoCode(error) === 'ENOENT' && isOptional(file, value)) return;
      if (errnoCode(error) === 'ENOENT' && resources.unified?.[file] !== undefined) {
        throw new LibcontainerError({ kind: 'failed_precondition', code: 'CONTROLLER_MISSING', message: `unified resource ${JSON.stringify(file)} can't be set: controller ${JSON.stringify(controller)} not available`, cause: error });
      }
      throw error;
    }
  }

  #setDevices(rules: NonNullable<CgroupResources['devices']>): void {
    try {
      this.#devices.replace(this.#directory, deviceProgram(devicePolicy(rules)));
    } catch (error) {
      if (!(this.#soft && isPermission(error))) throw error;
    }
  }
}

/** A kernel without swap accounting has no memory.swap.max; unlimited or none is what it gives anyway. */
function isOptional(file: string, value: string): boolean {
  return file === 'memory.swap.max' && (value === 'max' || value === '0');
}

function words(text: string): string[] {
  return text.trim().split(/\s+/).filter((word) => word !== '');
}

function isPermission(error: unknown): boolean {
  return ['EPERM', 'EACCES', 'EROFS'].includes(errnoCode(error) ?? '');
}
