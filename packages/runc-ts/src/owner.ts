import { readFileSync, statSync } from 'node:fs';

/** The name of whoever owns a container's directory; the number where it has none. */
export function ownerOf(directory: string): string {
  const { uid } = statSync(directory);
  return userName(uid) ?? `#${uid}`;
}

function userName(uid: number): string | undefined {
  try {
    const line = readFileSync('/etc/passwd', 'utf8').split('\n').find((each) => each.split(':')[2] === String(uid));
    return line?.split(':')[0];
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
    throw error;
  }
}
