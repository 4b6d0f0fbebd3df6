import { randomBytes } from 'node:crypto';
import { invalid } from '../errors.ts';

/** The label of volumes that were made without a name. */
export const ANONYMOUS_LABEL = 'com.docker.volume.anonymous';

/** Refuses what cannot be a volume's name. @throws EngineApiError invalid_argument */
export function checkVolumeName(name: string): void {
  if (name.length === 1) throw invalid(`create ${name}: volume name is too short, names should be at least two alphanumeric characters`, 'INVALID_NAME');
  if (!/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) {
    throw invalid(`create ${name}: ${JSON.stringify(name)} includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. If you intended to pass a host directory, use absolute path`, 'INVALID_NAME');
  }
  if (name.length > 255) throw invalid(`create ${name}: volume name is too long, names should be no longer than 255 characters`, 'INVALID_NAME');
}

/** 64 random hexadecimal digits. */
export function randomVolumeName(): string {
  return randomBytes(32).toString('hex');
}
