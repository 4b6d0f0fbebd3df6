import { type ImageReference, familiarName, familiarReference, isOciImageError } from '@dray/oci-image';
import { EngineApiError, type ErrorKind, messageOf } from '../errors.ts';

/** What a registry said, in its own words: `manifest unknown: manifest unknown`. */
function faultOf(error: unknown): string {
  if (!isOciImageError(error) || error.registryCode === undefined) return messageOf(error);
  return `${error.registryCode.toLowerCase().replaceAll('_', ' ')}: ${error.registryMessage ?? ''}`;
}

/** The error of a pull in dockerd's words. */
export function pullError(error: unknown, reference: ImageReference): unknown {
  if (!isOciImageError(error)) return error;
  const as = (kind: ErrorKind, message: string): EngineApiError => new EngineApiError(kind, error.code, message, { cause: error });
  switch (error.code) {
    case 'MANIFEST_UNKNOWN': return as('not_found', `manifest for ${familiarReference(reference)} not found: ${faultOf(error)}`);
    case 'NAME_UNKNOWN': return as('not_found', `repository ${familiarName(reference)} not found: ${faultOf(error)}`);
    case 'REGISTRY_DENIED': return as('not_found', `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${faultOf(error)}`);
    case 'REGISTRY_UNAVAILABLE': return as('internal', error.message);
    default: return error;
  }
}

/** The error of a push in dockerd's words: for the stream, which is there already. */
export function pushErrorMessage(error: unknown): string {
  return isOciImageError(error) && error.registryCode !== undefined ? faultOf(error) : messageOf(error);
}
