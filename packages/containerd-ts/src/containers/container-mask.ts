import type { Any } from '../any.ts';
import { invalidArgument } from '../errors.ts';
import { withLabel, withoutEmpty } from '../labels.ts';
import { quote } from '../quote.ts';
import type { ContainerInput } from './container-store.ts';
import type { ContainerRecord } from './container-record.ts';

/** The fields that an empty mask replaces. Snapshotter and the runtime's name never change. */
const MUTABLE_FIELDS = ['labels', 'spec', 'extensions', 'image', 'snapshotkey'] as const;

/**
 * The record with the masked fields taken from the input. Paths name raw label keys (`labels.a.b/c`).
 *
 * @throws ContainerdError `invalid_argument`, `INVALID_FIELD_MASK`
 */
export function applyContainerMask(current: ContainerRecord, input: ContainerInput, mask: readonly string[]): ContainerRecord {
  if (mask.length === 0) {
    if (input.snapshotter !== current.snapshotter) throw immutable('snapshotter', current.snapshotter, input.snapshotter);
    if (input.runtime.name !== current.runtime.name) throw immutable('runtime', current.runtime.name, input.runtime.name);
  }
  return (mask.length === 0 ? MUTABLE_FIELDS : mask).reduce((record, path) => applyPath(record, input, path), current);
}

function applyPath(record: ContainerRecord, input: ContainerInput, path: string): ContainerRecord {
  if (path.startsWith('labels.')) {
    const key = path.slice('labels.'.length);
    return { ...record, labels: withLabel(record.labels, key, input.labels[key] ?? '') };
  }
  if (path.startsWith('extensions.')) {
    const key = path.slice('extensions.'.length);
    return { ...record, extensions: withExtension(record.extensions, key, input.extensions[key]) };
  }
  switch (path) {
    case 'labels':
      return { ...record, labels: withoutEmpty(input.labels) };
    case 'spec':
      return { ...record, spec: input.spec };
    case 'extensions':
      return { ...record, extensions: input.extensions };
    case 'image':
      return { ...record, image: input.image };
    case 'snapshotkey':
      return { ...record, snapshotKey: input.snapshotKey };
    default:
      throw invalidArgument('INVALID_FIELD_MASK', `cannot update ${quote(path)} field on ${quote(record.id)}`);
  }
}

function withExtension(extensions: ContainerRecord['extensions'], key: string, value: Any | undefined): ContainerRecord['extensions'] {
  const { [key]: _, ...rest } = extensions;
  return value === undefined ? rest : { ...rest, [key]: value };
}

function immutable(field: string, current: string, wanted: string): Error {
  return invalidArgument('INVALID_FIELD_MASK', `container.${field === 'runtime' ? 'Runtime.Name' : 'Snapshotter'} field is immutable: ${quote(current)} to ${quote(wanted)}`);
}
