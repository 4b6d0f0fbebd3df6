/** Chooses the runtime of a container. */
import type { CommandRuntimeOptions } from './command-runtime.ts';
import type { OciRuntime } from './oci-runtime.ts';

/** runc-ts in this process when no binary is named, else that binary's command line. Only what is used is loaded. */
export async function createOciRuntime(options: CommandRuntimeOptions): Promise<OciRuntime> {
  if (options.runtime.binary === '') {
    const { LibraryRuntime } = await import('./library-runtime.ts');
    return new LibraryRuntime(options);
  }
  const { CommandRuntime } = await import('./command-runtime.ts');
  return new CommandRuntime(options);
}
