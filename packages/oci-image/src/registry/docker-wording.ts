import { isOciImageError, type OciImageError } from '../errors.ts';
import { familiarName, familiarReference, type ImageReference } from '../reference.ts';
import { describeFault } from './registry-error.ts';

/** How docker answers a failed pull: the message, and the HTTP status of its API. */
export interface DockerFailure {
  readonly message: string;
  readonly status: number;
}

/**
 * A pull's failure in docker's words, such as `manifest for busybox:x not found: manifest unknown: manifest unknown`.
 * Errors that are not this package's keep their message.
 */
export function dockerPullFailure(error: unknown, reference: ImageReference): DockerFailure {
  if (!isOciImageError(error)) return { message: error instanceof Error ? error.message : String(error), status: 500 };
  const said = faultOf(error);
  switch (error.code) {
    case 'MANIFEST_UNKNOWN':
      return { status: 404, message: `manifest for ${familiarReference(reference)} not found: ${said ?? 'manifest unknown: manifest unknown'}` };
    case 'NAME_UNKNOWN':
      return { status: 404, message: `repository ${familiarName(reference)} not found: ${said ?? 'name unknown: repository name not known to registry'}` };
    case 'REGISTRY_DENIED':
      return { status: 404, message: `pull access denied for ${familiarName(reference)}, repository does not exist or may require 'docker login': ${said ?? 'denied: requested access to the resource is denied'}` };
    case 'REGISTRY_UNAUTHORIZED':
      return { status: 500, message: withRequest(error, said ?? error.message) };
    case 'REGISTRY_UNAVAILABLE':
      return { status: 500, message: error.status === undefined ? withPing(error) : error.message };
    case 'REGISTRY_RATE_LIMITED':
      return { status: 429, message: said ?? error.message };
    default:
      return { status: error.kind === 'not_found' ? 404 : error.kind === 'invalid_argument' ? 400 : 500, message: error.message };
  }
}

/** `Head "https://host/v2/…": reason`, as Go's HTTP client says it. */
function withRequest(error: OciImageError, reason: string): string {
  const [method = '', url = ''] = (error.request ?? '').split(' ');
  return url === '' ? reason : `${method.charAt(0)}${method.slice(1).toLowerCase()} ${JSON.stringify(url)}: ${reason}`;
}

/** docker asks a registry's base before anything else: a registry that cannot be reached fails there. */
function withPing(error: OciImageError): string {
  const url = URL.parse((error.request ?? '').split(' ')[1] ?? '');
  return url === null ? error.message : `Get "${url.protocol}//${url.host}/v2/": ${error.message.slice(error.message.indexOf(': ') + 2)}`;
}

function faultOf(error: OciImageError): string | undefined {
  return error.registryCode === undefined ? undefined : describeFault({ code: error.registryCode, message: error.registryMessage ?? '' });
}
