import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';

const packageRoot = path.dirname(import.meta.dirname);

/** A copy of the package without its build, where a program can be run. */
function copyPackage(): string {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'dray-loader-'));
  fs.cpSync(path.join(packageRoot, 'src'), path.join(directory, 'src'), { recursive: true });
  fs.writeFileSync(path.join(directory, 'package.json'), '{"type":"module"}');
  return directory;
}

const runIn = (directory: string, source: string): string => execFileSync(process.execPath, ['--input-type=module', '-e', source], { cwd: directory, encoding: 'utf8' });

describe('the loader', () => {
  test('says what it tried and what to do when there is no native part; importing the package needs none', () => {
    const directory = copyPackage();
    const answer = runIn(directory, `
      const { mkfifo, isLibcontainerError } = await import('./src/index.ts');
      try { mkfifo('x', 0o600); } catch (error) { console.log(JSON.stringify([isLibcontainerError(error), error.kind, error.code, error.message])); }`);
    const [isOurs, kind, code, message] = JSON.parse(answer) as [boolean, string, string, string];
    expect([isOurs, kind, code]).toEqual([true, 'unavailable', 'NATIVE_UNAVAILABLE']);
    expect(message).toContain(path.join('build', 'dray_libcontainer.node'));
    expect(message).toContain(`install "@dray/libcontainer-linux-${process.arch}"`);
    fs.rmSync(directory, { recursive: true });
  });

  test('falls back to the platform package, which pack-platform.mjs makes', () => {
    const directory = copyPackage();
    execFileSync(process.execPath, [path.join(packageRoot, 'scripts/pack-platform.mjs'), path.join(directory, `node_modules/@dray/libcontainer-linux-${process.arch}`)]);
    const answer = runIn(directory, `
      const { statFileSystem, FS_MAGIC, loggerPath } = await import('./src/index.ts');
      console.log(statFileSystem('/proc').type === FS_MAGIC.PROC, loggerPath());`);
    expect(answer).toMatch(/^true .*node_modules\/@dray\/libcontainer-linux-\w+\/bin\/dray-logger\n$/);
    fs.rmSync(directory, { recursive: true });
  });

  test('the package has no runtime dependencies', () => {
    const { dependencies } = JSON.parse(fs.readFileSync(path.join(packageRoot, 'package.json'), 'utf8')) as { dependencies?: Record<string, string> };
    expect(dependencies ?? {}).toEqual({});
  });
});
