import { systemError } from '../errors.ts';
import { native, type WatchHandle } from '../native.ts';

/** Events of `watchFd`. */
export const WATCH = { READABLE: 1, WRITABLE: 2, DISCONNECT: 4, PRIORITY: 8 } as const;

export interface FdWatch extends Disposable {
  /** Ends the watch; no call comes after it. Idempotent. */
  close: () => void;
  /** Whether the watch keeps the process alive; it does at first. */
  ref: () => void;
  unref: () => void;
}

export interface FdWatchOptions {
  /** WATCH.* to wait for. */
  readonly events: number;
  /** Called each time the descriptor is ready, level-triggered: read until EAGAIN, or be called again. */
  readonly onReady: (events: number) => void;
  /** Called instead when the watch fails; the watch is closed. */
  readonly onError?: (error: Error) => void;
}

/**
 * Watches a pipe, socket, pidfd, eventfd, terminal or other pollable descriptor on the event loop. The descriptor stays the caller's and may be
 * closed at any time: a duplicate is watched.
 *
 * @throws LibcontainerError `EPERM` for a regular file
 */
export function watchFd(fd: number, { events, onReady, onError }: FdWatchOptions): FdWatch {
  const addon = native();
  let handle: WatchHandle | undefined;
  const close = (): void => {
    if (handle !== undefined) addon.unwatch(handle);
    handle = undefined;
  };
  const started = addon.watch(fd, events, (status, ready) => {
    if (status >= 0) {
      onReady(ready);
      return;
    }
    close();
    onError?.(systemError(-status, 'poll'));
  });
  if (typeof started === 'number') throw systemError(-started, 'poll');
  handle = started;
  const setRef = (isRef: boolean): void => { if (handle !== undefined) addon.setWatchRef(handle, isRef); };
  return { close, ref: () => { setRef(true); }, unref: () => { setRef(false); }, [Symbol.dispose]: close };
}

/** Resolves when a descriptor is ready. @throws the signal's reason when it is aborted */
export async function whenReady(fd: number, events: number, { signal }: { readonly signal?: AbortSignal } = {}): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve, reject) => {
    const settle = (finish: () => void): void => {
      watch.close();
      signal?.removeEventListener('abort', onAbort);
      finish();
    };
    const onAbort = (): void => { settle(() => { reject(signal?.reason as Error); }); };
    const watch = watchFd(fd, { events, onReady: () => { settle(resolve); }, onError: (error) => { settle(() => { reject(error); }); } });
    signal?.addEventListener('abort', onAbort, { once: true });
  });
}
