import { invalidArgument } from './errors.ts';

/** Names and values a client attached to an object. */
export type Labels = Readonly<Record<string, string>>;

/** Bytes a key and its value may have together. */
export const LABEL_BYTES_MAX = 4096;
/** Characters of a too long key that the message still shows. */
const KEY_SHOWN_MAX = 64;

/**
 * Checks the size of each label.
 *
 * @throws ContainerdError `invalid_argument`, `LABEL_TOO_LONG`
 */
export function validateLabels(labels: Labels): void {
  for (const [key, value] of Object.entries(labels)) validateLabel(key, value);
}

/** Checks the size of one label. */
export function validateLabel(key: string, value: string): void {
  const total = Buffer.byteLength(key) + Buffer.byteLength(value);
  if (total <= LABEL_BYTES_MAX) return;
  const shown = key.length > KEY_SHOWN_MAX ? key.slice(0, KEY_SHOWN_MAX) : key;
  throw invalidArgument('LABEL_TOO_LONG', `label key and value length (${String(total)} bytes) greater than maximum size (${String(LABEL_BYTES_MAX)} bytes), key: ${shown}`);
}

/** A copy with one label set, or removed when its value is empty, as a field mask asks for. */
export function withLabel(labels: Labels, key: string, value: string): Labels {
  const { [key]: _, ...rest } = labels;
  return value === '' ? rest : { ...rest, [key]: value };
}

/** A copy without the labels that have an empty value. */
export function withoutEmpty(labels: Labels): Labels {
  return Object.fromEntries(Object.entries(labels).filter(([, value]) => value !== ''));
}
