import { afterAll, beforeAll } from 'vitest';
import { busyboxArchive, missingForImages } from './images.ts';
import { startEngine, type TestEngine } from './engine.ts';

/** Why no engine can run here, or undefined. Tests put it into the name of what they skip. */
export const missing: string | undefined = process.getuid?.() !== 0 ? 'not root' : missingForImages;

/** An engine with `busybox:latest` loaded, for all tests of a file. */
export function engineForFile(extraArgs: string[] = []): { readonly current: TestEngine } {
  let engine: TestEngine | undefined;
  beforeAll(async () => {
    if (missing !== undefined) return;
    engine = await startEngine(extraArgs);
    await engine.ok('load', '-q', '-i', busyboxArchive(engine.folder));
  });
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]();
  });
  return {
    get current() {
      if (engine === undefined) throw new Error('the engine has not been started');
      return engine;
    },
  };
}
