// node e2e/bench/run.mjs [side-by-side options]
// Starts Dray and Debian's dockerd, each on private folders, loads the same image into both and measures them side by side in one run.
import { spawn } from 'node:child_process';
import path from 'node:path';

const repository = path.resolve(import.meta.dirname, '../..');
process.env.PATH = `${path.join(repository, 'node_modules/.bin')}:${process.env.PATH}`;
const [{ startEngine }, { startPeer }, { busyboxArchive }] = await Promise.all(['engine', 'peer', 'images'].map((name) => import(`../support/${name}.ts`)));

// Node runs the TypeScript of e2e/support by itself.
await using engine = await startEngine();
await using peer = await startPeer();
const archive = busyboxArchive(engine.folder);
for (const side of [engine, peer]) await side.ok('load', '-q', '-i', archive);
const measuring = spawn(process.execPath, [
  path.join(import.meta.dirname, 'side-by-side.mjs'), '--ours', engine.host, '--peer', peer.host, '--archive', archive,
  '--ours-procs', `(drayd|dray-containerd|containerd-shim-dray-v2|dray-monitor).*`, '--peer-procs', peer.folder, ...process.argv.slice(2),
], { stdio: 'inherit' });
process.exitCode = await new Promise((resolve) => measuring.on('close', resolve));
