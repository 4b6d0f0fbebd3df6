import { spawn } from 'node:child_process';

/** What a command printed and how it ended: `code` is 128 + n where signal n ended it. */
export interface Finished { readonly code: number; readonly stdout: string; readonly stderr: string; readonly bytes: Buffer }

/** Runs a command to its end, feeding it `input` and closing its standard input. */
export function run(file: string, args: string[], options: { env?: NodeJS.ProcessEnv; input?: string | Uint8Array; cwd?: string; timeoutMs?: number } = {}): Promise<Finished> {
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, { env: options.env ?? process.env, cwd: options.cwd, stdio: ['pipe', 'pipe', 'pipe'], timeout: options.timeoutMs ?? 100_000, killSignal: 'SIGKILL' });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
    child.stdin.on('error', () => undefined); // a command may end before it has read its input
    child.on('error', reject);
    child.on('close', (code, signal) => {
      const bytes = Buffer.concat(out);
      resolve({ code: code ?? 128 + (signal === 'SIGKILL' ? 9 : 15), stdout: bytes.toString(), stderr: Buffer.concat(err).toString(), bytes });
    });
    child.stdin.end(options.input ?? '');
  });
}
