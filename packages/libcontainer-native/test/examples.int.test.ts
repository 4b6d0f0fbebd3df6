import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createRootfs, whyNoContainers } from './support/container.ts';

const reason = whyNoContainers();

describe.skipIf(reason !== undefined)(`examples${reason === undefined ? '' : ` (skipped: ${reason})`}`, () => {
  test('examples/run.ts runs a program in a container and exits with its status', () => {
    using rootfs = createRootfs();
    const run = (...args: string[]): ReturnType<typeof spawnSync> =>
      spawnSync(process.execPath, ['--conditions=@dray/source', 'examples/run.ts', rootfs.path, ...args], { cwd: path.dirname(import.meta.dirname), encoding: 'utf8' });
    expect(run('sh', '-c', 'hostname; echo $$; exit 3')).toMatchObject({ stdout: 'example\n1\n', stderr: '', status: 3 });
    expect(run('nope').stderr).toContain('exec: "nope": executable file not found in $PATH');
  });
});
