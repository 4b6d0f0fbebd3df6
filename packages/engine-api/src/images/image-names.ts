import { type Digest, type ImageReference, canonicalReference, familiarName, familiarReference, isOciImageError, isReference, parseReference, withDefaultTag } from '@dray/oci-image';
import { invalid } from '../errors.ts';

/** The name of the record that keeps an image without a name, followed by `@` and its target's digest. */
export const DANGLING_NAME = 'moby-dangling';

/** The name of the record for an image that has no other. */
export function danglingRecordName(target: { readonly digest: Digest }): string {
  return `${DANGLING_NAME}@${target.digest}`;
}

/** What a record's name says. */
export type RecordName =
  | { readonly kind: 'tag' | 'digest'; readonly reference: ImageReference; readonly familiar: string; readonly repository: string }
  | { readonly kind: 'dangling' }
  /** A name that another client of containerd chose and that is no reference. */
  | { readonly kind: 'other' };

/** Reads the name of a record. A name with a tag and a digest counts as a digest. */
export function readRecordName(name: string): RecordName {
  if (name.startsWith(`${DANGLING_NAME}@`)) return { kind: 'dangling' };
  if (!isReference(name)) return { kind: 'other' };
  const reference = parseReference(name);
  if (canonicalReference(reference) !== name) return { kind: 'other' };
  if (reference.digest !== undefined) return { kind: 'digest', reference, familiar: familiarReference(reference), repository: familiarName(reference) };
  return reference.tag === undefined ? { kind: 'other' } : { kind: 'tag', reference, familiar: familiarReference(reference), repository: familiarName(reference) };
}

/** Parses a name from a request, `latest` added. @throws EngineApiError invalid_argument in docker's words */
export function parseName(text: string): ImageReference {
  try {
    return withDefaultTag(parseReference(text));
  } catch (error) {
    throw invalid(isOciImageError(error) ? error.message : String(error), 'INVALID_REFERENCE');
  }
}
