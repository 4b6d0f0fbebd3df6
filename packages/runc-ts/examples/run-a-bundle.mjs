// Runs a bundle (a folder with config.json and a root file system) and prints how its program ended.
// Usage, as root: node examples/run-a-bundle.mjs <bundle>
import { waitPid } from '@dray/libcontainer';
import { createRuntime } from '@dray/runc';

const runtime = createRuntime({ root: '/run/run-a-bundle', log: ({ level, message }) => console.error(`${level}: ${message}`) });
const id = `example-${process.pid}`;

const { pid } = await runtime.run(id, { bundle: process.argv[2] ?? '.' });
console.log('status:', await waitPid(pid));
await runtime.delete(id);
