import { closeFd, pidfdOpen } from '@dray/libcontainer';

/** Makes one harmless system call through the native part. @throws where that cannot be loaded */
export function tryNative(): void {
  closeFd(pidfdOpen(process.pid));
}
