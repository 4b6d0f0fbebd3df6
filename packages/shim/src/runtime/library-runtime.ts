/** runc-ts in this process: nothing is started but the monitor and the container itself. */
import type { SpawnCommand } from '@dray/libcontainer';
import { createRuntime, isRuncError, type Runtime, type StartedProcess } from '@dray/runc';
import { errorText, ShimError } from '../errors.ts';
import { monitorFailure, ProcessMonitor, reapMonitor, startMonitor, type MonitorFiles, type StartedMonitor } from '../task/process-monitor.ts';
import { runtimeEnvironment, type CommandRuntimeOptions } from './command-runtime.ts';
import type { CreateContainer, ExecInContainer, MonitoredProcess, MonitorSetup, OciRuntime } from './oci-runtime.ts';

/** What the container's process gets as 0, 1 and 2 comes from its monitor; these only hold the places. */
const PLACES: readonly [number, number, number] = [0, 1, 2];

/** The built-in runtime, for one container. */
export class LibraryRuntime implements OciRuntime {
  readonly #id: string;
  readonly #options: CommandRuntimeOptions;
  readonly #runtime: Runtime;

  constructor(options: CommandRuntimeOptions) {
    this.#id = options.id;
    this.#options = options;
    this.#runtime = createRuntime({
      root: options.runtime.root,
      systemdCgroup: options.runtime.systemdCgroup,
      log: ({ level, message }) => { if (level === 'warning' || level === 'error') options.warn(message); },
    });
  }

  create({ bundle, monitor }: CreateContainer): Promise<MonitoredProcess> {
    const { noPivotRoot: noPivot, noNewKeyring } = this.#options.runtime;
    return this.#monitored('runc create failed', monitor, (spawner) =>
      this.#runtime.create(this.#id, { bundle, noPivot, noNewKeyring, stdio: PLACES, spawner, ...consoleOption(monitor) }));
  }

  start(): Promise<void> {
    return this.#runtime.start(this.#id);
  }

  exec({ process: spec, monitor }: ExecInContainer): Promise<MonitoredProcess> {
    return this.#monitored('exec failed', monitor, (spawner) =>
      this.#runtime.exec(this.#id, { process: JSON.parse(spec), stdio: PLACES, spawner, ...consoleOption(monitor) }));
  }

  async kill(signal: number, { all }: { readonly all: boolean }): Promise<void> {
    try {
      await this.#runtime.kill(this.#id, signal, { all });
    } catch (error) {
      if (isRuncError(error) && (error.code === 'NOT_RUNNING' || error.code === 'NO_CONTAINER')) throw new ShimError('not_found', 'PROCESS_FINISHED', 'process already finished', error);
      throw error;
    }
  }

  async delete({ force }: { readonly force: boolean }): Promise<void> {
    try {
      await this.#runtime.delete(this.#id, { force });
    } catch (error) {
      if (!isRuncError(error) || error.code !== 'NO_CONTAINER') throw error;
    }
  }

  pause(): Promise<void> {
    return this.#runtime.pause(this.#id);
  }

  resume(): Promise<void> {
    return this.#runtime.resume(this.#id);
  }

  async update(resources: string): Promise<void> {
    this.#runtime.update(this.#id, JSON.parse(resources) as Parameters<Runtime['update']>[1]);
  }

  async isStarted(): Promise<boolean> {
    return this.#runtime.state(this.#id).status !== 'created';
  }

  async pids(): Promise<readonly number[]> {
    return this.#runtime.ps(this.#id);
  }

  /** Lets the runtime start a process behind a monitor; when that fails the monitor goes with all its children. */
  async #monitored(words: string, setup: MonitorSetup, start: (spawner: (command: SpawnCommand) => Promise<StartedProcess>) => Promise<StartedProcess>): Promise<MonitoredProcess> {
    const files: MonitorFiles = { control: setup.control ?? '', exitFile: setup.exitFile ?? '', log: setup.log ?? '' };
    let monitor: StartedMonitor | undefined;
    try {
      const { pid } = await start(async (command) => {
        monitor = startBehindMonitor(setup, command);
        return monitor;
      });
      if (monitor === undefined) throw new ShimError('internal', 'MONITOR', 'the runtime has started nothing');
      return { pid, monitor: await ProcessMonitor.watch(files, pid, await monitor.connected) };
    } catch (error) {
      await monitor?.connected.then((client) => client.quit()).catch(() => { /* it has left already, with its command */ });
      const reason = monitorFailure(files.log);
      throw new ShimError('unknown', 'RUNTIME', reason === '' ? `${words}: ${errorText(error)}` : reason, error);
    }
  }
}

function consoleOption({ consoleSocket }: MonitorSetup): { readonly consoleSocket?: string } {
  return consoleSocket === undefined ? {} : { consoleSocket };
}

/** A foreign logger wants an environment; what the container gets is in its plan. */
function startBehindMonitor(setup: MonitorSetup, { file, argv, env, fds }: SpawnCommand): StartedMonitor {
  const hasLogger = setup.stdout?.startsWith('binary://') === true || setup.stderr?.startsWith('binary://') === true;
  const started = startMonitor({
    options: setup,
    command: typeof file === 'string' ? [file, ...argv.slice(1)] : argv,
    execFd: typeof file === 'string' ? undefined : file.fd,
    env: hasLogger ? { ...runtimeEnvironment(), ...env } : env,
    fds: fds.slice(PLACES.length),
  });
  void reapMonitor(started);
  return started;
}
