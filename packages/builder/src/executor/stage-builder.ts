import { mkdtemp, rm, utimes, writeFile, chmod } from 'node:fs/promises';
import { basename, join, posix } from 'node:path';
import { type ContainerDefaults, hostPlatform, type ImageConfig } from '@dray/oci-image';
import type { BuildContext } from '../context/build-context.ts';
import { copyFiles, makeFolder } from '../context/copy-files.ts';
import { contextTree, type CopySource, diskTree, findSources, type SourceTree, sumOfAll } from '../context/source-tree.ts';
import { type Instruction, parseInstruction } from '../dockerfile.ts';
import { BuilderError } from '../errors.ts';
import type { Heredoc } from '../lines.ts';
import { processWord, rawWords, substitute } from '../words.ts';
import { cacheKey } from './cache-key.ts';
import type { BuildEngine, BuildImage, BuildLayer, BuildOutput } from './engine.ts';
import { applyMetadata, commandLine, shellOf, type StageState, variablesOf, workingFolder } from './metadata.ts';

/** How steps are run. */
export interface StepOptions {
  readonly engine: BuildEngine;
  readonly output: BuildOutput;
  readonly context: BuildContext;
  readonly signal: AbortSignal;
  readonly usesCache: boolean;
  /** Containers are removed after a step that went well, and after any other. */
  readonly removes: boolean;
  readonly alwaysRemoves: boolean;
  /** Finds the image of a `COPY --from`. */
  readonly findSourceImage: (reference: string) => Promise<BuildImage | undefined>;
  readonly platform: string | undefined;
}

interface Commit { readonly layer: BuildLayer | undefined; readonly probe: ContainerDefaults; readonly container?: string }

/** The path that processes get where an image names none. */
const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
const BUILDKIT_HINT = 'Refer to https://docs.docker.com/go/buildkit/ to learn how to build images with BuildKit enabled';
const SHORT_ID_LENGTH = 12;

/** The first 12 digits of an id. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, SHORT_ID_LENGTH);
}

/** Runs the instructions of one stage, each on top of the image that the one before gave. */
export class StageBuilder {
  readonly #options: StepOptions;
  readonly #state: StageState;
  readonly #containers: string[] = [];
  #image: BuildImage | undefined;
  #isCacheMissed = false;

  constructor(base: BuildImage | undefined, state: Pick<StageState, 'arguments' | 'escape'>, options: StepOptions) {
    this.#options = options;
    this.#image = base;
    this.#state = { ...state, maintainer: '', hasCommand: false, config: withPath(base?.config.config ?? {}) };
  }

  /** What the stage has come to; undefined as long as it is `scratch`. */
  get image(): BuildImage | undefined {
    return this.#image;
  }

  /** Runs what the base image has for the images on top of it. */
  async runTriggers(): Promise<void> {
    const { OnBuild: triggers = [], ...config } = this.#state.config;
    if (triggers.length === 0) return;
    this.#state.config = config;
    this.#options.output.stdout(`# Executing ${triggers.length} build trigger${triggers.length > 1 ? 's' : ''}\n`);
    for (const trigger of triggers) await this.run(parseInstruction(trigger, { escape: this.#state.escape === '`' ? '`' : '\\' }));
  }

  /** Runs one instruction. What it made containers for is removed, whatever happens, where the client wants that. */
  async run(instruction: Instruction): Promise<void> {
    const { removes, alwaysRemoves } = this.#options;
    let isDone = false;
    try {
      await this.#dispatch(instruction);
      isDone = true;
    } finally {
      if (alwaysRemoves || (removes && isDone)) await this.#removeContainers();
      else this.#containers.length = 0;
    }
  }

  async #dispatch(instruction: Instruction): Promise<void> {
    const state = this.#state;
    switch (instruction.name) {
      case 'RUN': return this.#runCommand(instruction);
      case 'ADD':
      case 'COPY': return this.#copy(instruction);
      case 'WORKDIR': {
        const folder = workingFolder(instruction, state);
        state.config = { ...state.config, WorkingDir: folder };
        const probe = this.#commented(`#(nop) WORKDIR ${folder}`);
        if (await this.#isCached(probe)) return;
        const container = await this.#createContainer(probe);
        const layer = await this.#options.engine.changeRoot(this.#image, (root) => makeFolder(root, folder, this.#options.signal));
        return this.#commit({ layer, probe, container });
      }
      default: {
        const comment = applyMetadata(instruction, state, (text) => { this.#options.output.stdout(text); });
        if (comment === undefined) throw new BuilderError('UNKNOWN_INSTRUCTION', `failed to process unexpected instruction: ${instruction.name}`, instruction.line);
        const probe = this.#commented('#(nop) ', comment);
        if (await this.#isCached(probe)) return;
        const container = await this.#createContainer(probe);
        return this.#commit({ layer: undefined, probe, container });
      }
    }
  }

  /** The stage's configuration with a comment as its command: what cache and history know a step by that runs nothing. */
  #commented(...comment: string[]): ContainerDefaults {
    return { ...this.#state.config, Cmd: [...shellOf(this.#state.config), ...comment] };
  }

  async #isCached(probe: ContainerDefaults): Promise<boolean> {
    if (!this.#options.usesCache || this.#isCacheMissed) return false;
    const image = await this.#options.engine.cachedImage(this.#image, cacheKey(probe));
    if (image === undefined) {
      this.#isCacheMissed = true; // what follows a step that is new is new as well
      return false;
    }
    this.#options.output.stdout(' ---> Using cache\n');
    this.#image = image;
    return true;
  }

  async #createContainer(config: ContainerDefaults): Promise<string> {
    const { id, warnings } = await this.#options.engine.createContainer(this.#image, config, { platform: this.#options.platform });
    this.#containers.push(id);
    for (const warning of warnings) this.#options.output.stdout(` ---> [Warning] ${warning}\n`);
    this.#options.output.stdout(` ---> Running in ${shortId(id)}\n`);
    return id;
  }

  async #removeContainers(): Promise<void> {
    for (const id of this.#containers.splice(0)) {
      await this.#options.engine.removeContainer(id);
      this.#options.output.stdout(`Removed intermediate container ${shortId(id)}\n`);
    }
  }

  async #commit({ layer, probe, container }: Commit): Promise<void> {
    const { engine, signal } = this.#options;
    signal.throwIfAborted();
    const parent = this.#image;
    const { maintainer, config } = this.#state;
    const created = new Date().toISOString();
    const kept = layer?.isEmpty === true ? undefined : layer;
    const author = maintainer === '' ? {} : { author: maintainer };
    const host = hostPlatform();
    const image: ImageConfig = {
      created, ...author, architecture: parent?.config.architecture ?? host.architecture, os: parent?.config.os ?? 'linux',
      ...parent?.config.variant === undefined ? {} : { variant: parent.config.variant }, ...parent?.config['os.version'] === undefined ? {} : { 'os.version': parent.config['os.version'] },
      config, ...container === undefined ? {} : { container },
      rootfs: { type: 'layers', diff_ids: [...parent?.config.rootfs.diff_ids ?? [], ...kept === undefined ? [] : [kept.diffId]] },
      history: [...parent?.config.history ?? [], { created, ...author, created_by: (probe.Cmd ?? []).join(' '), ...kept === undefined ? { empty_layer: true } : {} }],
    };
    this.#image = await engine.createImage(parent, kept, image);
    await engine.cacheImage(parent, cacheKey(probe), this.#image);
  }

  async #runCommand(instruction: Instruction): Promise<void> {
    const flag = instruction.flags[0];
    if (flag !== undefined) throw new BuilderError('NEEDS_BUILDKIT', `the --${flag.name} option requires BuildKit. ${BUILDKIT_HINT}`, instruction.line);
    const { engine, output, signal } = this.#options;
    const { config, arguments: given } = this.#state;
    const command = commandLine(withHeredocs(instruction), config);
    const allowed = given.allowed(config.Env ?? []);
    const recorded = allowed.filter(([name]) => given.isRecorded(name)).map(([name, value]) => `${name}=${value}`);
    const saved = allowed.length === 0 ? command : [`|${recorded.length}`, ...recorded, ...command];
    const { Entrypoint: _entrypoint, ...probeBase } = { ...config, Cmd: saved };
    if (await this.#isCached(probeBase)) return;
    const own: ContainerDefaults = { ...config, Cmd: command, Entrypoint: [''], Env: [...config.Env ?? [], ...allowed.map(([name, value]) => `${name}=${value}`)], Healthcheck: { Test: ['NONE'] } };
    const container = await this.#createContainer(own);
    const code = await engine.runContainer(container, (stream, text) => { output[stream](text); }, signal);
    signal.throwIfAborted();
    if (code !== 0) throw new BuilderError('COMMAND_FAILED', `The command '${command.join(' ')}' returned a non-zero code: ${code}`, { exitCode: code, line: instruction.line });
    return this.#commit({ layer: await engine.layerOfContainer(container, this.#image), probe: probeBase, container });
  }

  async #copy(instruction: Instruction): Promise<void> {
    const flags = new Map(instruction.flags.map(({ name, value }) => [name, value]));
    for (const name of flags.keys()) if (!['from', 'chown', 'chmod', 'link'].includes(name)) throw new BuilderError('NEEDS_BUILDKIT', `the --${name} option requires BuildKit. ${BUILDKIT_HINT}`, instruction.line);
    const lookup = variablesOf(this.#state);
    const expand = (word: string): string => processWord(word, lookup, this.#state.escape);
    const words = (instruction.json ?? rawWords(instruction.text, this.#state.escape)).map((word) => heredocOf(word, instruction) === undefined ? expand(word) : word);
    const from = flags.get('from');
    const withTree = from === undefined ? undefined : await this.#sourceImage(from);
    const folder = await mkdtemp(join(this.#options.engine.temporary, 'copy-'));
    try {
      const copy = (tree: SourceTree): Promise<void> => this.#copyFrom(tree, { instruction, words, folder, owner: expand(flags.get('chown') ?? ''), mode: parseMode(flags.get('chmod')) });
      if (from === undefined) await copy(contextTree(this.#options.context));
      else if (withTree === undefined) await copy(diskTree(folder));
      else await this.#options.engine.withRoot(withTree, (root) => copy(diskTree(root)));
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  }

  async #sourceImage(from: string): Promise<BuildImage | undefined> {
    try {
      return await this.#options.findSourceImage(from);
    } catch (error) {
      throw Object.assign(new BuilderError('COPY_FAILED', `invalid from flag value ${from}: ${error instanceof Error ? error.message : String(error)}`, { cause: error }));
    }
  }

  async #copyFrom(tree: SourceTree, order: CopyWords): Promise<void> {
    const { instruction, words, owner, mode } = order;
    const { name } = instruction;
    const [destination = '', ...reversed] = words.toReversed();
    const sources: CopySource[] = [];
    try {
      for (const word of reversed.toReversed()) sources.push(...await this.#sourcesOf(tree, word, order));
    } catch (error) {
      throw new BuilderError('COPY_FAILED', `${name} failed: ${error instanceof Error ? error.message : String(error)}`, { line: instruction.line, cause: error });
    }
    if (sources.length === 0) throw new BuilderError('COPY_FAILED', `${name} failed: no source files were specified`, instruction.line);
    if (sources.length > 1 && !destination.endsWith('/')) {
      throw new BuilderError('COPY_FAILED', `When using ${name} with more than one source file, the destination must be a directory and end with a /`, instruction.line);
    }
    const probe = this.#commented(`#(nop) ${name} ${owner === '' ? '' : `--chown=${owner}`}${mode === undefined ? '' : `--chmod=${mode.toString(8)} `}${sumOfAll(sources)} in ${destination} `);
    if (await this.#isCached(probe)) return;
    const layer = await this.#options.engine.changeRoot(this.#image, (root) => copyFiles(root, {
      sources, owner, mode, keepsOwners: owner === '' && instruction.flags.some((flag) => flag.name === 'from'), destination: absolute(destination, this.#state.config.WorkingDir), unpacks: name === 'ADD', signal: this.#options.signal,
    }));
    return this.#commit({ layer, probe });
  }

  async #sourcesOf(tree: SourceTree, word: string, { instruction, folder }: CopyWords): Promise<CopySource[]> {
    const heredoc = heredocOf(word, instruction);
    if (heredoc !== undefined) {
      const own = await mkdtemp(join(folder, 'heredoc-'));
      await writeFile(join(own, heredoc.name), heredoc.expands ? substitute(heredoc.content, variablesOf(this.#state), this.#state.escape) : heredoc.content, { mode: 0o644 });
      return findSources(diskTree(own), heredoc.name, { mayUnpack: false });
    }
    if (instruction.name === 'ADD' && /^https?:\/\//.test(word)) return this.#download(word, folder, instruction);
    return findSources(tree, word, { mayUnpack: true });
  }

  async #download(url: string, folder: string, instruction: Instruction): Promise<CopySource[]> {
    const own = await mkdtemp(join(folder, 'download-'));
    const path = new URL(url).pathname;
    const named = path.endsWith('/') ? '' : decodeURIComponent(basename(path));
    const isIntoFolder = (instruction.json?.at(-1) ?? instruction.text).endsWith('/');
    if (named === '' && isIntoFolder) throw new Error(`cannot determine filename for source ${url}`);
    const name = named === '' || named === '.' || named === '..' || named.includes('/') ? 'download' : named;
    const changed = await this.#options.engine.download(url, join(own, name)) ?? new Date(0);
    await chmod(join(own, name), 0o600);
    await utimes(join(own, name), changed, changed);
    return findSources(diskTree(own), name.replaceAll(/[*?[\\]/g, String.raw`\$&`), { mayUnpack: false });
  }
}

interface CopyWords {
  readonly instruction: Instruction;
  readonly words: readonly string[];
  readonly folder: string;
  readonly owner: string;
  readonly mode: number | undefined;
}

function withPath(config: ContainerDefaults): ContainerDefaults {
  const env = config.Env ?? [];
  return env.some((entry) => entry.startsWith('PATH=')) ? config : { ...config, Env: [...env, DEFAULT_PATH] };
}

/** Where files go: relative to the working folder; what ends in a slash or a dot is a folder. */
function absolute(destination: string, workingDir = '/'): string {
  const isFolder = /(?:^|\/)\.{0,2}$/.test(destination);
  const path = posix.join('/', destination.startsWith('/') ? '' : workingDir, destination);
  return isFolder && !path.endsWith('/') ? `${path}/` : path;
}

function parseMode(text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  if (!/^[0-7]{1,4}$/.test(text)) throw new BuilderError('INVALID_ARGUMENT', `invalid chmod parameter: '${text}'. it should be octal string and between 0 and 07777`);
  return Number.parseInt(text, 8);
}

function heredocOf(word: string, instruction: Instruction): Heredoc | undefined {
  const name = /^<<-?(["']?)([A-Za-z_][\w.]*)\1$/.exec(word)?.[2];
  return name === undefined ? undefined : instruction.heredocs.find((heredoc) => heredoc.name === name);
}

/** A here-document alone is a script for the shell; beside a command it is fed to the shell with it. */
function withHeredocs(instruction: Instruction): Pick<Instruction, 'json' | 'text'> {
  const [first, ...others] = instruction.heredocs;
  if (first === undefined) return instruction;
  const isAlone = others.length === 0 && /^<<-?(["']?)[A-Za-z_][\w.]*\1$/.test(instruction.text.trim());
  if (isAlone && first.content.startsWith('#!')) throw new BuilderError('NEEDS_BUILDKIT', `a here-document with an interpreter line requires BuildKit. ${BUILDKIT_HINT}`, instruction.line);
  if (isAlone) return { text: first.content };
  return { text: [instruction.text, ...instruction.heredocs.map(({ name, content }) => `${content}${name}`)].join('\n') };
}
