import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { digestOf } from '../src/digest.ts';
import { applyLayerHere, LayerWorkers, packLayerHere, readFileFromLayers } from '../src/layers/index.ts';
import { nastyLayers, tarOf, type TestEntry } from './support/layers.ts';
import { writeLayout } from './support/layout.ts';
import { missing, scratchFolder, suiteName } from './support/tools.ts';
import { describeTree } from './support/tree.ts';

const reason = missing('umoci', 'mount', 'tar');
let scratch: Awaited<ReturnType<typeof scratchFolder>>;
let folders = 0;
beforeEach(async () => {
  scratch = await scratchFolder();
});
afterEach(async () => {
  await scratch[Symbol.asyncDispose]();
});

function folder(): string {
  folders += 1;
  const path = join(scratch.path, `d${folders}`);
  mkdirSync(path);
  return path;
}

function file(bytes: Uint8Array): string {
  folders += 1;
  const path = join(scratch.path, `f${folders}`);
  writeFileSync(path, bytes);
  return path;
}

/** All layers in one tree. */
async function applyPlain(layers: readonly Uint8Array[]): Promise<string> {
  const target = folder();
  for (const layer of layers) await applyLayerHere({ source: file(layer), target, form: 'plain' });
  return target;
}

/** One folder for each layer, topmost first. */
async function applyOverlay(layers: readonly Uint8Array[]): Promise<string[]> {
  const lowers: string[] = [];
  for (const layer of layers) {
    const target = folder();
    await applyLayerHere({ source: file(layer), target, form: 'overlay', lowers });
    lowers.unshift(target);
  }
  return lowers;
}

function describeMerged(lowers: readonly string[]): string[] {
  const merged = folder();
  execFileSync('mount', ['-t', 'overlay', 'overlay', '-o', `lowerdir=${lowers.length > 1 ? lowers.join(':') : `${lowers[0] ?? ''}:${folder()}`}`, merged]);
  try {
    return describeTree(merged);
  } finally {
    execFileSync('umount', [merged]);
  }
}

/** Without the root's own time, which umoci does not restore, and folders that no entry describes. */
function comparable(lines: readonly string[]): string[] {
  return lines.map((line) => (line.startsWith('. ') || / directory 755 0:0 {2}179\d{16} /.test(line) ? line.replace(/ \d{16,} /, ' time ') : line));
}

describe.skipIf(reason !== '')(suiteName('applying layers', reason), () => {
  test.each(['none', 'gzip', 'zstd'] as const)('gives the tree that umoci gives, %s compressed: names, modes, owners, times, attributes, hard links', async (compression) => {
    const layers = nastyLayers();
    const layout = folder();
    const bundle = join(folder(), 'bundle');
    // umoci 0.4.7 reads no zstd: its tree is made from the same layers, uncompressed.
    writeLayout(layout, { layers, compression: compression === 'zstd' ? 'none' : compression });
    execFileSync('umoci', ['unpack', '--image', `${layout}:latest`, bundle], { stdio: 'ignore' });
    const ours = folder();
    const { manifest, config } = writeLayout(folder(), { layers, compression });
    const blobs = join(scratch.path, `d${folders}`, 'blobs/sha256');
    for (const [index, layer] of manifest.layers.entries()) {
      const diffId = config.rootfs.diff_ids[index];
      expect((await applyLayerHere({ source: join(blobs, layer.digest.slice(7)), target: ours, form: 'plain', ...(diffId === undefined ? {} : { expectedDiffId: diffId }) })).diffId).toBe(diffId);
    }
    expect(comparable(describeTree(ours))).toEqual(comparable(describeTree(join(bundle, 'rootfs'))));
    expect(describeTree(ours).length).toBeGreaterThan(30);
  });

  test('gives the same tree through overlayfs as in one folder', async () => {
    const layers = nastyLayers();
    expect(comparable(describeMerged(await applyOverlay(layers)))).toEqual(comparable(describeTree(await applyPlain(layers))));
  });

  test('agrees on every order of whiteouts, opaque markers and entries, in one folder and through overlayfs', async () => {
    const name = fc.constantFrom('a', 'b', 'a/b', 'a/c', 'a/b/d', 'b/a');
    const lower: TestEntry[] = ['a', 'b', 'a/b'].map((path) => ({ type: 'directory', path, mtimeNs: 1n }));
    const base = tarOf([...lower, ...['a/c', 'a/b/d', 'b/a', 'c'].map((path): TestEntry => ({ type: 'file', path, content: path, mtimeNs: 2n }))]);
    const entry: fc.Arbitrary<TestEntry> = fc.oneof(
      name.map((path): TestEntry => ({ type: 'directory', path, mode: 0o711, mtimeNs: 3n })),
      name.map((path): TestEntry => ({ type: 'file', path, content: 'new', mtimeNs: 4n })),
      name.map((path): TestEntry => ({ type: 'file', path: path.replace(/([^/]+)$/, '.wh.$1') })),
      fc.constantFrom('', 'a/', 'a/b/', 'b/').map((path): TestEntry => ({ type: 'file', path: `${path}.wh..wh..opq` })),
      name.map((path): TestEntry => ({ type: 'symlink', path, linkPath: '/b', mtimeNs: 5n })),
      name.map((path): TestEntry => ({ type: 'hardlink', path, linkPath: 'c' })),
    );
    await fc.assert(fc.asyncProperty(fc.array(entry, { maxLength: 6 }), async (entries) => {
      const layers = [base, tarOf(entries)];
      const outcome = async (apply: () => Promise<string[]>): Promise<string[] | string> => await apply().catch((error: unknown) => (error instanceof Error && 'code' in error ? String(error.code) : String(error)));
      const withoutTimes = (lines: readonly string[]): string[] => lines.map((line) => line.replace(/ \d{16,} /, ' now '));
      const plain = await outcome(async () => withoutTimes(describeTree(await applyPlain(layers))));
      const overlay = await outcome(async () => withoutTimes(describeMerged(await applyOverlay(layers))));
      expect(overlay).toEqual(plain);
    }), { numRuns: 150 });
  }, 60_000);

  test('reads what GNU tar writes: sparse files, long names, attributes', async () => {
    const tree = folder();
    execFileSync('sh', ['-ec', `cd ${tree}; truncate -s 3M sparse; printf data | dd of=sparse bs=1 seek=1048576 conv=notrunc 2>/dev/null; truncate -s 5M sparse
      n=$(printf 'x%.0s' $(seq 200)); mkdir -p $n/$n; printf long > $n/$n/$n; ln $n/$n/$n hard; ln -s $n/$n soft; touch -d '1965-04-03 02:01:00.5' old; mkfifo pipe; chown 12345:54321 old`]);
    for (const format of ['--format=gnu', '--format=pax', '--format=pax --sparse-version=0.0', '--format=pax --sparse-version=0.1', '--format=pax --sparse-version=1.0']) {
      const archive = join(scratch.path, 'archive.tar');
      execFileSync('sh', ['-ec', `tar --sparse ${format} -C ${tree} -cf ${archive} .`]);
      const target = folder();
      await applyLayerHere({ source: archive, target, form: 'plain' });
      const isWithoutFractions = format === '--format=gnu';
      const fractions = (lines: readonly string[]): string[] => (isWithoutFractions ? lines.map((line) => line.replace(/ -?\d{10,}(?= )/, '')) : [...lines]);
      expect([format, fractions(describeTree(target))]).toEqual([format, fractions(describeTree(tree))]);
    }
  });

  test('packs a tree so that unpacking gives it back, always with the same bytes', async () => {
    const tree = await applyPlain(nastyLayers());
    const packed = [join(scratch.path, 'p1'), join(scratch.path, 'p2')];
    const [first, second] = await Promise.all(packed.map(async (output) => await packLayerHere({ root: tree, output, xattrs: 'all', includeRoot: true })));
    expect(second).toEqual(first);
    expect(digestOf(readFileSync(packed[0] ?? ''))).toBe(first?.digest);
    const target = folder();
    expect((await applyLayerHere({ source: packed[0] ?? '', target, form: 'plain' })).diffId).toBe(first?.diffId);
    expect(describeTree(target)).toEqual(describeTree(tree));
  });

  test('packs an overlayfs layer with whiteouts, so that it has the same effect again', async () => {
    const layers = nastyLayers();
    const lowers = await applyOverlay(layers);
    const again: Uint8Array[] = [];
    for (const lower of [...lowers].reverse()) {
      const output = join(scratch.path, `layer-${again.length}`);
      await packLayerHere({ root: lower, output, form: 'overlay', xattrs: 'all', includeRoot: true });
      again.push(readFileSync(output));
    }
    expect(describeMerged(await applyOverlay(again))).toEqual(describeMerged(lowers));
    const listing = execFileSync('tar', ['-tzf', '-'], { input: again[1] ?? '' }).toString();
    expect(listing).toContain('.wh.gone\n');
    expect(listing).toContain('opaque/.wh..wh..opq\n');
  });

  test('keeps files with the names of whiteouts where the archive is no layer', async () => {
    const target = await applyPlain([tarOf([{ type: 'file', path: 'a', content: 'a' }])]);
    await applyLayerHere({ source: file(tarOf([{ type: 'file', path: '.wh.a', content: 'kept' }, { type: 'file', path: 'd/.wh..wh..opq' }])), target, form: 'plain', whiteouts: 'keep' });
    expect(readdirSync(target).sort()).toEqual(['.wh.a', 'a', 'd']);
    expect(readdirSync(join(target, 'd'))).toEqual(['.wh..wh..opq']);
  });

  test('reads a file through the layers without mounting them', async () => {
    const lowers = await applyOverlay(nastyLayers());
    const read = (path: string): string | undefined => {
      const bytes = readFileFromLayers(lowers, path);
      return bytes === undefined ? undefined : Buffer.from(bytes).toString();
    };
    expect(read('/etc/passwd')).toContain('user:x:1000');
    expect(read('absolute/passwd')).toBe(read('/etc/passwd'));
    expect(read('../../../bin/tool')).toBe('tool');
    expect(read('/gone/file')).toBeUndefined();
    expect(read('/opaque/old')).toBeUndefined();
    expect(read('/opaque/new')).toBe('new');
    expect(read('/swap/becomes-file/inner')).toBeUndefined();
    expect(() => read('/dev/pipe')).toThrow(expect.objectContaining({ code: 'LAYER_INVALID' }));
    expect(() => read('/etc')).toThrow(expect.objectContaining({ code: 'LAYER_INVALID' }));
    expect(() => readFileFromLayers(lowers, '/etc/passwd', { bytesMax: 10 })).toThrow(expect.objectContaining({ code: 'LAYER_LIMIT' }));
    const loop = await applyPlain([tarOf([{ type: 'symlink', path: 'a', linkPath: 'b' }, { type: 'symlink', path: 'b', linkPath: '/a' }])]);
    expect(() => readFileFromLayers([loop], 'a/passwd')).toThrow(expect.objectContaining({ code: 'LAYER_INVALID' }));
  });
});

describe.skipIf(reason !== '')(suiteName('hostile layers', reason), () => {
  /** Applies a layer into a folder beside a victim. @returns what became of the victim's folder */
  async function attack(entries: readonly TestEntry[], form: 'plain' | 'overlay' = 'plain'): Promise<{ readonly error: unknown; readonly root: string }> {
    const outside = folder();
    const root = join(outside, 'root');
    for (const path of [root, join(outside, 'root2'), join(outside, 'victim')]) mkdirSync(path);
    writeFileSync(join(outside, 'victim/file'), 'untouched', { mode: 0o600 });
    const isOutside = (line: string): boolean => !/^root(?:\/| )/.test(line) && !line.startsWith('. ');
    const before = describeTree(outside).filter(isOutside);
    const hostile = entries.map((entry) => ({ ...entry, linkPath: entry.linkPath?.replaceAll('OUTSIDE', outside) ?? '', path: entry.path.replaceAll('OUTSIDE', outside) }));
    const error = await applyLayerHere({ source: file(tarOf(hostile)), target: root, form }).then(() => undefined, (failure: unknown) => failure);
    expect(describeTree(outside).filter(isOutside)).toEqual(before);
    return { error, root };
  }

  const content = 'evil';
  test.each([
    ['a path with ..', [{ type: 'file', path: '../victim/file', content }]],
    ['a path deep below the root with ..', [{ type: 'file', path: 'a/../../../../victim/file', content }]],
    ['an absolute path', [{ type: 'file', path: 'OUTSIDE/victim/file', content }]],
    ['a folder with the same beginning', [{ type: 'file', path: '../root2/file', content }]],
    ['a relative link and a file through it', [{ type: 'symlink', path: 'l', linkPath: '../victim' }, { type: 'file', path: 'l/file', content }]],
    ['an absolute link and a file through it', [{ type: 'symlink', path: 'l', linkPath: 'OUTSIDE/victim' }, { type: 'file', path: 'l/file', content }]],
    ['a chain of links', [{ type: 'symlink', path: 'a', linkPath: '..' }, { type: 'symlink', path: 'a/b', linkPath: '..' }, { type: 'file', path: 'a/b/victim/file', content }]],
    ['a link and a mode for it (CVE-2021-32760)', [{ type: 'symlink', path: 'l', linkPath: '../victim/file' }, { type: 'file', path: 'l', mode: 0o777, content }]],
    ['a folder over a link', [{ type: 'symlink', path: 'l', linkPath: '../victim' }, { type: 'directory', path: 'l', mode: 0o777 }, { type: 'file', path: 'l/file', content }]],
    ['a link in the place of a folder that was used', [{ type: 'directory', path: 'd' }, { type: 'file', path: 'd/x', content }, { type: 'symlink', path: 'd', linkPath: '../victim' }, { type: 'file', path: 'd/file', content }]],
    ['a whiteout through a link', [{ type: 'symlink', path: 'l', linkPath: '../victim' }, { type: 'file', path: 'l/.wh.file' }]],
    ['an opaque marker through a link', [{ type: 'symlink', path: 'l', linkPath: '../victim' }, { type: 'file', path: 'l/.wh..wh..opq' }]],
    ['a whiteout with ..', [{ type: 'file', path: '../victim/.wh.file' }]],
  ] satisfies (readonly [string, TestEntry[]])[])('cannot get out by %s', async (_name, entries) => {
    for (const form of ['plain', 'overlay'] as const) await attack(entries, form);
  });

  test.each([
    ['a hard link to a file outside', [{ type: 'hardlink', path: 'h', linkPath: '../victim/file' }], 'LAYER_INVALID'],
    ['a hard link through a link', [{ type: 'symlink', path: 'l', linkPath: '../victim' }, { type: 'hardlink', path: 'h', linkPath: 'l/file' }], 'LAYER_INVALID'],
    ['a hard link to a folder', [{ type: 'directory', path: 'd' }, { type: 'hardlink', path: 'h', linkPath: 'd' }], 'LAYER_INVALID'],
    ['a hard link to the root', [{ type: 'hardlink', path: 'h', linkPath: '/' }], 'LAYER_INVALID'],
    ['a root that is a link (CVE-2021-29136)', [{ type: 'symlink', path: '.', linkPath: '/etc' }], 'LAYER_UNSAFE'],
    ['a root that is a file', [{ type: 'file', path: '.' }], 'LAYER_UNSAFE'],
    ['a device that stands for a whiteout', [{ type: 'character', path: 'c', deviceMajor: 0, deviceMinor: 0 }], 'LAYER_UNSAFE'],
    ['an attribute that steers overlayfs', [{ type: 'directory', path: 'd', xattrs: new Map([['trusted.overlay.opaque', Buffer.from('y')]]) }], 'LAYER_UNSAFE'],
    ['the same for users', [{ type: 'file', path: 'f', xattrs: new Map([['user.overlay.redirect', Buffer.from('/')]]) }], 'LAYER_UNSAFE'],
    ['a whiteout of nothing', [{ type: 'file', path: '.wh.' }], 'LAYER_INVALID'],
    ['a whiteout of ..', [{ type: 'file', path: 'd/.wh...' }], 'LAYER_INVALID'],
    ['a file below a file', [{ type: 'file', path: 'f', content }, { type: 'file', path: 'f/g', content }], 'LAYER_INVALID'],
    ['a loop of links', [{ type: 'symlink', path: 'a', linkPath: 'b' }, { type: 'symlink', path: 'b', linkPath: 'a' }, { type: 'file', path: 'a/f', content }], 'LAYER_INVALID'],
    ['a name that is too long', [{ type: 'file', path: 'n'.repeat(256), content }], 'LAYER_LIMIT'],
    ['a path of 10,000 levels', [{ type: 'file', path: 'd/'.repeat(10_000) + 'f', content }], 'LAYER_LIMIT'],
    ['a symlink without target', [{ type: 'symlink', path: 'l', linkPath: '' }], 'LAYER_INVALID'],
  ] satisfies (readonly [string, TestEntry[], string])[])('is refused for %s', async (_name, entries, code) => {
    const { error } = await attack(entries);
    expect(error).toMatchObject({ name: 'OciImageError', code });
  });

  test('is bounded in entries and in growth', async () => {
    const many = tarOf(Array.from({ length: 20 }, (_, index): TestEntry => ({ type: 'file', path: `f${index}` })));
    await expect(applyLayerHere({ source: file(many), target: folder(), form: 'plain', limits: { entriesMax: 10 } })).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
    const bomb = gzipSync(tarOf([{ type: 'file', path: 'zeros', content: Buffer.alloc(8 * 1024 * 1024) }]));
    await expect(applyLayerHere({ source: file(bomb), target: folder(), form: 'plain', limits: { outputBytesMax: 1024 * 1024 } })).rejects.toMatchObject({ code: 'LAYER_LIMIT' });
  });

  test('fails where it was cut or is another than expected', async () => {
    const layer = gzipSync(nastyLayers()[0] ?? '');
    await expect(applyLayerHere({ source: file(layer.subarray(0, layer.length - 200)), target: folder(), form: 'plain' })).rejects.toMatchObject({ kind: 'data_loss' });
    await expect(applyLayerHere({ source: file(layer), target: folder(), form: 'plain', expectedDiffId: digestOf('other') })).rejects.toMatchObject({ code: 'DIFF_ID_MISMATCH' });
    await expect(applyLayerHere({ source: join(scratch.path, 'nowhere'), target: folder(), form: 'plain' })).rejects.toMatchObject({ code: 'CONTENT_NOT_FOUND' });
  });

  test('whatever its bytes are, ends with a tree or with an error of this package', async () => {
    const [layer = Buffer.alloc(0)] = nastyLayers();
    await fc.assert(fc.asyncProperty(fc.array(fc.tuple(fc.nat(layer.length - 1), fc.nat(255)), { minLength: 1, maxLength: 20 }), async (changes) => {
      const mutated = Buffer.from(layer);
      for (const [position, byte] of changes) mutated[position] = byte;
      await applyLayerHere({ source: file(mutated), target: folder(), form: 'plain' }).catch((error: unknown) => {
        expect(error).toMatchObject({ name: 'OciImageError' });
      });
    }), { numRuns: 150 });
  }, 60_000);
});

describe.skipIf(reason !== '')(suiteName('LayerWorkers', reason), () => {
  test('does the same in a thread, from a file and from a stream, and tells its progress', async () => {
    const [layer = Buffer.alloc(0)] = nastyLayers();
    await using workers = new LayerWorkers();
    const targets = [folder(), folder()];
    const seen: number[] = [];
    const stream = async function* (): AsyncGenerator<Uint8Array, void, void> {
      for (let position = 0; position < layer.length; position += 5000) yield await Promise.resolve(layer.subarray(position, position + 5000));
    };
    const [first, second] = await Promise.all([
      workers.apply({ source: file(layer), target: targets[0] ?? '', form: 'plain', onProgress: (bytes) => { seen.push(bytes); } }), workers.apply({ source: stream(), target: targets[1] ?? '', form: 'plain' }),
    ]);
    expect(first).toEqual(second);
    expect(first.diffId).toBe(digestOf(layer));
    expect(seen.at(-1)).toBe(layer.length);
    expect(describeTree(targets[0] ?? '')).toEqual(describeTree(targets[1] ?? ''));
  });

  test('hands errors over with their code', async () => {
    await using workers = new LayerWorkers();
    await expect(workers.apply({ source: file(Buffer.alloc(1000, 1)), target: folder(), form: 'plain' })).rejects.toMatchObject({ name: 'OciImageError', code: 'TAR_INVALID', kind: 'invalid_argument' });
    await expect(workers.apply({ source: (async function* () { yield await Promise.resolve(Buffer.alloc(10)); throw new Error('source broke'); })(), target: folder(), form: 'plain' })).rejects.toThrow('source broke');
  });

  test('stops when it is aborted, writes no more and is good for the next layer', async () => {
    const controller = new AbortController();
    const reason_ = new Error('enough');
    await using workers = new LayerWorkers({ workersMax: 1 });
    const header = tarOf([{ type: 'file', path: 'first', content: 'x' }]).subarray(0, 1024);
    const target = folder();
    const endless = async function* (): AsyncGenerator<Uint8Array, void, void> {
      yield await Promise.resolve(header);
      for (let count = 0; ; count += 1) {
        if (count === 3) controller.abort(reason_);
        yield tarOf([{ type: 'file', path: `f${count}`, content: 'x' }]).subarray(0, 1024);
      }
    };
    await expect(workers.apply({ source: endless(), target, form: 'plain', signal: controller.signal })).rejects.toBe(reason_);
    const names = readdirSync(target);
    expect((await workers.apply({ source: file(nastyLayers()[0] ?? Buffer.alloc(0)), target: folder(), form: 'plain' })).entryCount).toBeGreaterThan(10);
    expect(readdirSync(target)).toEqual(names);
  });

  test('leaves no descriptor open, also where a layer fails', async () => {
    const open = (): number => readdirSync('/proc/self/fd').length;
    const hostile = file(tarOf([{ type: 'file', path: 'a/b/f', content: 'x' }, { type: 'hardlink', path: 'h', linkPath: 'nowhere' }]));
    await applyLayerHere({ source: hostile, target: folder(), form: 'overlay', lowers: [folder()] }).catch(() => undefined);
    const before = open();
    for (let round = 0; round < 20; round += 1) await applyLayerHere({ source: hostile, target: folder(), form: 'overlay', lowers: [folder()] }).catch(() => undefined);
    expect(open()).toBe(before);
    expect(existsSync(hostile)).toBe(true);
  });

  test('packs to a stream and tells the digests at its end', async () => {
    const tree = await applyPlain(nastyLayers());
    await using workers = new LayerWorkers();
    const stream = workers.packStream({ root: tree, xattrs: 'all' });
    const chunks: Uint8Array[] = [];
    let next = await stream.next();
    while (next.done !== true) {
      chunks.push(next.value);
      next = await stream.next();
    }
    expect(next.value.digest).toBe(digestOf(Buffer.concat(chunks)));
    await expect(workers.pack({ root: join(tree, 'missing'), output: join(scratch.path, 'x') })).rejects.toMatchObject({ code: 'LAYER_SYSCALL' });
  });
});
