/** The logger's live output: connect, say what is wanted, then bytes until the process's output ends. */
import { connect, type Socket } from 'node:net';
import { EngineApiError } from '../../errors.ts';

/** Which output, and in what form. */
export interface OutputSelection {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Docker's multiplex frames instead of bare bytes. */
  readonly isFramed: boolean;
}

const MAGIC = 'DRAYATT1';
const READY = 0x4b; // 'K'

/**
 * Connects to a logger's attach socket. When the promise resolves the logger has registered the reader: every byte the process writes from now on will come, and
 * the socket ends after the last one. The socket is paused.
 *
 * @throws EngineApiError `unavailable` when nobody listens or the listener is no logger of ours
 */
export async function connectAttachSocket(path: string, selection: OutputSelection): Promise<Socket> {
  const socket = connect({ path });
  try {
    await new Promise<void>((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => { reject(new Error('closed before it was ready')); });
      socket.once('connect', () => socket.write(hello(selection)));
      socket.once('readable', () => {
        const answer: unknown = socket.read(1);
        if (Buffer.isBuffer(answer) && answer[0] === READY) resolve();
        else reject(new Error('unexpected answer'));
      });
    });
  } catch (err) {
    socket.destroy();
    throw new EngineApiError('unavailable', 'ATTACH_FAILED', `cannot attach to the output at "${path}": ${err instanceof Error ? err.message : String(err)}`, { cause: err });
  }
  socket.removeAllListeners();
  return socket;
}

function hello(selection: OutputSelection): Buffer {
  const bytes = Buffer.alloc(16);
  bytes.write(MAGIC, 'latin1');
  bytes[8] = (selection.stdout ? 1 : 0) | (selection.stderr ? 2 : 0);
  bytes[9] = selection.isFramed ? 1 : 0;
  return bytes;
}
