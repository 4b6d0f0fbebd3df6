import { type ImageReference, dockerPullFailure, isOciImageError } from '@dray/oci-image';
import { EngineApiError, type ErrorKind, messageOf } from '../errors.ts';

const KIND_OF_STATUS: Readonly<Record<number, ErrorKind>> = { 400: 'invalid_argument', 401: 'unauthenticated', 403: 'permission_denied', 404: 'not_found', 429: 'resource_exhausted' };

/** The error of a pull in dockerd's words. */
export function pullError(error: unknown, reference: ImageReference): unknown {
  if (!isOciImageError(error)) return error;
  const { message, status } = dockerPullFailure(error, reference);
  return new EngineApiError(KIND_OF_STATUS[status] ?? 'internal', error.code, message, { cause: error });
}

/** The error of a push in dockerd's words. */
export function pushErrorMessage(error: unknown): string {
  if (!isOciImageError(error) || error.registryCode === undefined) return messageOf(error);
  return `${error.registryCode.toLowerCase().replaceAll('_', ' ')}: ${error.registryMessage ?? ''}`;
}
