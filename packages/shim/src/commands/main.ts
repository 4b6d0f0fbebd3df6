/** Decides which command was meant and loads only that. */
import { errorText } from '../errors.ts';
import { parseShimFlags } from './flags.ts';

/**
 * Runs the shim's command line. Nothing but the answer goes to stdout; errors go to stderr as one line.
 * @returns the exit code, or undefined when the process is to go on serving
 */
export async function main(argv: readonly string[], entry: string): Promise<number | undefined> {
  try {
    return await dispatch(argv, entry);
  } catch (error) {
    process.stderr.write(`containerd-shim-dray-v2: ${errorText(error)}\n`);
    return 1;
  }
}

async function dispatch(argv: readonly string[], entry: string): Promise<number | undefined> {
  const flags = parseShimFlags(argv);
  if (flags.wantsVersion || flags.wantsInfo) {
    const { printInfo, printVersion } = await import('./info.ts');
    if (flags.wantsVersion) printVersion();
    else printInfo();
    return 0;
  }
  // The original's words.
  if (flags.namespace === '') throw new Error('shim namespace cannot be empty');
  switch (flags.action) {
    case 'start': {
      const { start } = await import('./start.ts');
      await start(flags, entry);
      return 0;
    }
    case 'delete': {
      const { deleteContainer } = await import('./delete.ts');
      await deleteContainer(flags);
      return 0;
    }
    default: {
      const { serve } = await import('./serve.ts');
      await serve(flags);
      return undefined;
    }
  }
}
