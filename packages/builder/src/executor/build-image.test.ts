import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { digestOf, type ContainerDefaults, type ImageConfig } from '@dray/oci-image';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { buildImage, type BuildRequest } from './build-image.ts';
import type { BuildEngine, BuildImage } from './engine.ts';
import { planBuild } from './plan.ts';

/** An engine that runs nothing and remembers what it was asked. */
class FakeEngine implements BuildEngine {
  readonly temporary: string;
  readonly created: ContainerDefaults[] = [];
  readonly containers = new Set<string>();
  readonly cache = new Map<string, BuildImage>();
  exitCode = 0;
  #count = 0;

  constructor(temporary: string) { this.temporary = temporary; }

  async findImage(reference: string): Promise<BuildImage> {
    if (reference !== 'base') throw new Error(`No such image: ${reference}`);
    const config: ImageConfig = { architecture: 'amd64', os: 'linux', config: { Env: ['PATH=/bin'], Cmd: ['sh'] }, rootfs: { type: 'layers', diff_ids: [] }, history: [{ created_by: 'base' }] };
    return this.#image(config);
  }
  withRoot<T>(_image: BuildImage, use: (root: string) => Promise<T>): Promise<T> { return use(this.temporary); }
  async changeRoot(): ReturnType<BuildEngine['changeRoot']> { return { diffId: digestOf(Buffer.from(String(this.#count++))), isEmpty: false }; }
  async createContainer(_image: BuildImage | undefined, config: ContainerDefaults): ReturnType<BuildEngine['createContainer']> {
    this.created.push(config);
    const id = String(this.#count++).padStart(64, 'c');
    this.containers.add(id);
    return { id, warnings: [] };
  }
  async runContainer(_id: string, onOutput: Parameters<BuildEngine['runContainer']>[1]): Promise<number> { onOutput('stdout', 'out\n'); return this.exitCode; }
  async layerOfContainer(): ReturnType<BuildEngine['layerOfContainer']> { return { diffId: digestOf(Buffer.from('empty')), isEmpty: true }; }
  async removeContainer(id: string): Promise<void> { this.containers.delete(id); }
  async createImage(_parent: BuildImage | undefined, _layer: unknown, config: ImageConfig): Promise<BuildImage> { return this.#image(config); }
  async cachedImage(parent: BuildImage | undefined, key: string): Promise<BuildImage | undefined> { return this.cache.get(`${parent?.id ?? ''} ${key}`); }
  async cacheImage(parent: BuildImage | undefined, key: string, image: BuildImage): Promise<void> { this.cache.set(`${parent?.id ?? ''} ${key}`, image); }
  async download(): Promise<undefined> { throw new Error('not used'); }

  #image(config: ImageConfig): BuildImage { return { id: digestOf(Buffer.from(JSON.stringify(config))), config }; }
}

describe('buildImage()', () => {
  let folder = '';
  beforeAll(() => { folder = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-builder-')); });
  afterAll(() => { fs.rmSync(folder, { recursive: true }); });

  interface Built { image: BuildImage; output: string; engine: FakeEngine }
  async function build(source: string, options: Partial<BuildRequest> & { engine?: FakeEngine; target?: string; labels?: Record<string, string> } = {}): Promise<Built> {
    const engine = options.engine ?? new FakeEngine(folder);
    let output = '';
    const image = await buildImage({
      plan: planBuild(source, { target: options.target ?? '', labels: options.labels ?? {} }), context: { root: folder, sums: new Map() }, engine, buildArguments: {}, usesCache: true, removes: true, alwaysRemoves: true, platform: undefined,
      signal: new AbortController().signal, output: { stdout: (text) => { output += text; }, stderr: (text) => { output += text; }, image: () => undefined }, ...options,
    }).catch((error: unknown) => { throw Object.assign(error as Error, { output }); });
    return { image, output, engine };
  }
  const history = ({ image }: Built): (string | undefined)[] => (image.config.history ?? []).slice(1).map((entry) => entry.created_by);
  const config = ({ image }: Built): ContainerDefaults => image.config.config ?? {};

  it.each([
    ['ENV A=b C="d e"', '/bin/sh -c #(nop)  ENV A=b C=d e'],
    ['ENV X y  z', '/bin/sh -c #(nop)  ENV X=y  z'],
    ["LABEL \"a b\"=c d='e'", '/bin/sh -c #(nop)  LABEL a b=c d=e'],
    ['EXPOSE 80 53/udp', '/bin/sh -c #(nop)  EXPOSE 53/udp 80'],
    ['CMD echo "hi"', '/bin/sh -c #(nop)  CMD ["/bin/sh" "-c" "echo \\"hi\\""]'],
    ['ENTRYPOINT ["x"]', '/bin/sh -c #(nop)  ENTRYPOINT ["x"]'],
    ['VOLUME /a ["x"]', '/bin/sh -c #(nop)  VOLUME [/a [x]]'],
    ['HEALTHCHECK --interval=5s --retries=3 CMD true', `/bin/sh -c #(nop)  HEALTHCHECK &{["CMD-SHELL" "true"] "5s" "0s" "0s" '\\x03'}`],
    ['SHELL ["/bin/sh", "-e", "-c"]', '/bin/sh -e -c #(nop)  SHELL [/bin/sh -e -c]'],
    ['WORKDIR /app', '/bin/sh -c #(nop) WORKDIR /app'],
    ['MAINTAINER me', '/bin/sh -c #(nop)  MAINTAINER me'],
    ['ONBUILD RUN x', '/bin/sh -c #(nop)  ONBUILD RUN x'],
    ['RUN a  b', '/bin/sh -c a  b'],
  ])('tells %j in the history as %j', async (instruction, wanted) => {
    expect(history(await build(`FROM base\n${instruction}`))).toEqual([wanted]);
  });

  it('marks steps that changed no files as empty layers', async () => {
    const { image } = await build('FROM base\nENV A=1\nRUN true\nWORKDIR /new');
    expect(image.config.history?.slice(1).map((entry) => entry.empty_layer)).toEqual([true, true, undefined]);
    expect(image.config.rootfs.diff_ids).toHaveLength(1);
  });

  it('keeps a CMD under an ENTRYPOINT only where both are of the stage', async () => {
    expect(config(await build('FROM base\nENTRYPOINT ["a"]'))).toMatchObject({ Entrypoint: ['a'] });
    expect(config(await build('FROM base\nENTRYPOINT ["a"]')).Cmd).toBeUndefined();
    expect(config(await build('FROM base\nCMD ["c"]\nENTRYPOINT ["a"]'))).toMatchObject({ Entrypoint: ['a'], Cmd: ['c'] });
  });

  it('replaces variables from the line\'s start, arguments below the environment', async () => {
    const built = await build('ARG V=meta\nFROM base\nARG V\nARG W=dflt\nENV a=1 b=$a\nENV c=$a d=$V e=${W}x f=\'$a\' g=${none:-z}', { buildArguments: { W: 'given' } });
    expect(config(built).Env).toEqual(['PATH=/bin', 'a=1', 'b=', 'c=1', 'd=meta', 'e=givenx', 'f=$a', 'g=z']);
  });

  it('records the build arguments of a RUN, but no proxies, and leaves them out of the image', async () => {
    const built = await build('FROM base\nARG B=2\nARG A\nRUN x', { buildArguments: { A: '1', http_proxy: 'p', Z: 'unused' } });
    expect(history(built).at(-1)).toBe('|2 A=1 B=2 /bin/sh -c x');
    expect(built.engine.created.at(-1)).toMatchObject({ Env: ['PATH=/bin', 'A=1', 'B=2', 'http_proxy=p'], Entrypoint: [''], Healthcheck: { Test: ['NONE'] } });
    expect(config(built).Env).toEqual(['PATH=/bin']);
    expect(built.output).toContain('[Warning] One or more build-args [Z] were not consumed\n');
  });

  it('tells each step and removes its containers', async () => {
    const { output, engine } = await build('FROM base AS b\nRUN   x\nFROM b\nLABEL a=b', { labels: { l: 'it\'s' } });
    expect(output.replaceAll(/\b[0-9a-f]{12}\b/g, 'ID')).toBe('Step 1/5 : FROM base AS b\n ---> ID\nStep 2/5 : RUN   x\n ---> Running in ID\nout\nRemoved intermediate container ID\n ---> ID\n'
      + 'Step 3/5 : FROM b\n ---> ID\nStep 4/5 : LABEL a=b\n ---> Running in ID\nRemoved intermediate container ID\n ---> ID\nStep 5/5 : LABEL l=it\'s\n ---> Running in ID\nRemoved intermediate container ID\n ---> ID\n');
    expect(engine.containers.size).toBe(0);
  });

  it('runs triggers in the next image and forgets them', async () => {
    const built = await build('FROM base AS b\nONBUILD ENV A=1\nONBUILD RUN y\nFROM b\nENV B=2');
    expect(history(built).slice(-3)).toEqual(['/bin/sh -c #(nop)  ENV A=1', '/bin/sh -c y', '/bin/sh -c #(nop)  ENV B=2']);
    expect(built.output).toContain('# Executing 2 build triggers\n');
    expect(config(built).OnBuild).toBeUndefined();
  });

  it('takes steps from the cache until one is new', async () => {
    const engine = new FakeEngine(folder);
    await build('FROM base\nENV A=1\nRUN x\nRUN y', { engine });
    const again = await build('FROM base\nENV A=1\nRUN z\nRUN y', { engine });
    expect(again.output.split('Using cache')).toHaveLength(2);
    expect((await build('FROM base\nENV A=1\nRUN x\nRUN y', { engine })).output.split('Using cache')).toHaveLength(4);
    expect((await build('FROM base\nENV A=1\nRUN x', { engine, usesCache: false })).output).not.toContain('Using cache');
  });

  it('fails with a command\'s exit code and leaves no container', async () => {
    const engine = new FakeEngine(folder);
    engine.exitCode = 3;
    await expect(build('FROM base\nRUN exit 3', { engine })).rejects.toMatchObject({ code: 'COMMAND_FAILED', exitCode: 3, message: "The command '/bin/sh -c exit 3' returned a non-zero code: 3" });
    expect(engine.containers.size).toBe(0);
  });

  it('builds up to the target, with the client\'s labels', async () => {
    const built = await build('FROM base AS one\nENV A=1\nFROM base\nENV B=2', { target: 'one', labels: { k: '$v' } });
    expect(config(built)).toMatchObject({ Env: ['PATH=/bin', 'A=1'], Labels: { k: '$v' } });
  });

  it.each([
    ['FROM scratch', 'No image was generated. Is your Dockerfile empty?'],
    ['FROM $X', 'base name ($X) should not be blank'],
    ['FROM base\nCOPY nothing /x', 'COPY failed: file not found in build context or excluded by .dockerignore: stat nothing: file does not exist'],
    ['FROM base\nCOPY ../x /x', 'COPY failed: forbidden path outside the build context: ../x ()'],
    ['FROM base\nCOPY no* /x', 'COPY failed: no source files were specified'],
    ['FROM base\nCOPY --from=0 a /x', 'invalid from flag value 0: refers to current build stage'],
    ['FROM base\nEXPOSE abc', 'Invalid containerPort: abc'],
    ['FROM base\nSTOPSIGNAL foo', 'Invalid signal: foo'],
    ['FROM base\nRUN --mount=type=cache,target=/x true', 'the --mount option requires BuildKit'],
    ['FROM base\nENV a', 'ENV must have two arguments'],
    ['FROM base\nSHELL sh', 'SHELL requires the arguments to be in JSON form'],
    ['FROM base\nHEALTHCHECK FOO', 'Unknown type "FOO" in HEALTHCHECK (try CMD)'],
    ['FROM base\nONBUILD ONBUILD RUN x', "Chaining ONBUILD via `ONBUILD ONBUILD` isn't allowed"],
    ['FROM base\nCOPY --foo=1 a /x', 'unknown flag: --foo'],
    ['FROM base\nADD --from=x a /x', 'unknown flag: --from'],
  ])('refuses %j', async (source, message) => {
    await expect(build(source)).rejects.toThrow(message);
  });
});
