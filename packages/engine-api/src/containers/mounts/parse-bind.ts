/** Bind strings: `source:destination[:options]`, or a destination alone for a volume without a name. */
import { normalize } from 'node:path';
import { invalid } from '../../errors.ts';
import { plainMount, type MountPoint } from './mount-point.ts';

const PROPAGATIONS = new Set(['private', 'rprivate', 'shared', 'rshared', 'slave', 'rslave']);
const CONSISTENCIES = new Set(['consistent', 'cached', 'delegated']);
const VOLUME_NAME = /^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/;

/** Reads one entry of `Binds`. @throws EngineApiError `invalid_argument` with Docker's words */
export function parseBind(spec: string, volumeDriver: string): MountPoint {
  const parts = spec.split(':');
  if (parts.length > 3 || parts.some((part) => part === '')) throw invalid(`invalid volume specification: '${spec}'`);
  const [first = '', second, third] = parts;
  if (second === undefined) return anonymousVolume(spec, first);
  if (third === undefined && isMode(second) && !second.startsWith('/')) return anonymousVolume(spec, first, second);
  const mode = parseMode(spec, third ?? '');
  const destination = cleanDestination(spec, second);
  return first.startsWith('/') ? bindMount(first, destination, mode) : namedVolume(first, destination, mode, volumeDriver);
}

interface Mode {
  readonly text: string;
  readonly isReadonly: boolean;
  readonly isNoCopy: boolean;
  readonly propagation: string | undefined;
}

function isMode(text: string): boolean {
  return text.split(',').every((word) => ['ro', 'rw', 'z', 'Z', 'nocopy'].includes(word) || PROPAGATIONS.has(word) || CONSISTENCIES.has(word));
}

function parseMode(spec: string, text: string): Mode {
  if (text !== '' && !isMode(text)) throw invalid(`invalid mode: ${text}`);
  const words = text === '' ? [] : text.split(',');
  const propagations = words.filter((word) => PROPAGATIONS.has(word));
  const access = words.filter((word) => word === 'ro' || word === 'rw');
  if (propagations.length > 1 || access.length > 1 || new Set(words).size !== words.length) throw invalid(`invalid mode: ${text}`);
  return { text, isReadonly: access[0] === 'ro', isNoCopy: words.includes('nocopy'), propagation: propagations[0] };
}

function cleanDestination(spec: string, destination: string): string {
  if (!destination.startsWith('/')) throw invalid(`invalid volume specification: '${spec}': invalid mount path: '${destination}' mount path must be absolute`);
  const clean = cleanPath(destination);
  if (clean === '/') throw invalid(`invalid volume specification: '${spec}': invalid mount config for type "bind": invalid specification: destination can't be '/'`);
  return clean;
}

/** A path without `.`, `..`, doubled and trailing slashes. */
export function cleanPath(path: string): string {
  const clean = normalize(path).replace(/\/+$/, '');
  return clean === '' ? '/' : clean;
}

function anonymousVolume(spec: string, destination: string, mode = ''): MountPoint {
  const parsed = parseMode(spec, mode);
  return plainMount({
    Type: 'volume', Destination: cleanDestination(spec, destination), origin: 'binds', Mode: mode, RW: !parsed.isReadonly, isAnonymous: true,
    isNoCopy: parsed.isNoCopy, Driver: 'local',
  });
}

function bindMount(source: string, destination: string, mode: Mode): MountPoint {
  if (mode.isNoCopy) throw invalid(`invalid mode: ${mode.text}`);
  return plainMount({
    Type: 'bind', Source: cleanPath(source), Destination: destination, origin: 'binds', Mode: mode.text, RW: !mode.isReadonly,
    Propagation: mode.propagation ?? 'rprivate', createsSource: true,
  });
}

function namedVolume(name: string, destination: string, mode: Mode, driver: string): MountPoint {
  if (mode.propagation !== undefined) throw invalid(`invalid mode: ${mode.text}`);
  checkVolumeName(name);
  return plainMount({
    Type: 'volume', Name: name, Destination: destination, origin: 'binds', Mode: mode.text, RW: !mode.isReadonly, isNoCopy: mode.isNoCopy, Driver: driver || 'local',
  });
}

function checkVolumeName(name: string): void {
  if (VOLUME_NAME.test(name)) return;
  throw invalid(
    `create ${name}: "${name}" includes invalid characters for a local volume name, only "[a-zA-Z0-9][a-zA-Z0-9_.-]" are allowed. ` +
    'If you intended to pass a host directory, use absolute path');
}
