import { invalid } from '../../errors.ts';
import type { PlatformWanted } from '../../images/image-service.ts';

/** `os/architecture[/variant]`, or an operating system or architecture alone; empty is none. @throws EngineApiError `invalid_argument` */
export function parsePlatform(text: string): PlatformWanted | undefined {
  if (text === '') return undefined;
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || parts.some((part) => !/^[a-z0-9_.-]+$/.test(part))) {
    throw invalid(`${JSON.stringify(text)} is an invalid component of ${JSON.stringify(text)}: platform specifier component must match "^[A-Za-z0-9_-]+$": invalid argument`, 'INVALID_PLATFORM');
  }
  const [first = '', second, third] = parts;
  if (second === undefined) return first === 'linux' || first === 'windows' ? { os: first } : { os: 'linux', architecture: first };
  return { os: first, architecture: second, ...(third === undefined ? {} : { variant: third }) };
}
