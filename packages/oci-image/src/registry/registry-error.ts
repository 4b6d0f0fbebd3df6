import { OciImageError, type OciImageErrorCode } from '../errors.ts';

/** What a registry said about an error. */
export interface RegistryFault {
  /** The registry's code, such as `MANIFEST_UNKNOWN`. */
  readonly code: string;
  readonly message: string;
}

const CODE_OF_FAULT: Readonly<Record<string, OciImageErrorCode>> = {
  MANIFEST_UNKNOWN: 'MANIFEST_UNKNOWN',
  NAME_UNKNOWN: 'NAME_UNKNOWN',
  BLOB_UNKNOWN: 'BLOB_UNKNOWN',
  MANIFEST_BLOB_UNKNOWN: 'BLOB_UNKNOWN',
  UNAUTHORIZED: 'REGISTRY_UNAUTHORIZED',
  DENIED: 'REGISTRY_DENIED',
  TOOMANYREQUESTS: 'REGISTRY_RATE_LIMITED',
  UNSUPPORTED: 'REGISTRY_UNSUPPORTED',
  UNAVAILABLE: 'REGISTRY_UNAVAILABLE',
};

/** Longest part of a registry's message that is passed on. */
const MESSAGE_LENGTH_MAX = 2048;

/**
 * The error for a registry's answer. `body` is what it sent, at most 64 KiB of it: `{errors:[{code,message}]}`, or a token server's `{details}`, or anything.
 */
export function registryError(options: { readonly what: string; readonly status: number; readonly body: string; readonly notFound?: OciImageErrorCode; readonly fault?: RegistryFault | undefined; readonly request?: string }): OciImageError {
  const fault = options.fault ?? parseFault(options.body);
  const code = (fault === undefined ? undefined : CODE_OF_FAULT[fault.code]) ?? codeOfStatus(options.status, options.notFound ?? 'REGISTRY_PROTOCOL');
  const reason = fault === undefined ? `unexpected status ${options.status}` : describeFault(fault);
  return new OciImageError(code, `${options.what}: ${reason}`, {
    status: options.status,
    ...(options.request === undefined ? {} : { request: options.request }),
    ...(fault === undefined ? {} : { registryCode: fault.code, registryMessage: fault.message }),
  });
}

/** A fault as docker prints it: the code in words, then the message: `denied: requested access to the resource is denied`. */
export function describeFault(fault: RegistryFault): string {
  return `${fault.code.toLowerCase().replaceAll('_', ' ')}: ${fault.message}`;
}

function parseFault(body: string): RegistryFault | undefined {
  let document: unknown;
  try {
    document = JSON.parse(body);
  } catch {
    return undefined;
  }
  if (typeof document !== 'object' || document === null) return undefined;
  const errors = 'errors' in document && Array.isArray(document.errors) ? (document.errors as unknown[]) : [];
  const [first] = errors;
  if (typeof first === 'object' && first !== null) {
    const code = 'code' in first && typeof first.code === 'string' ? first.code : 'UNKNOWN';
    const message = 'message' in first && typeof first.message === 'string' ? first.message : code.toLowerCase().replaceAll('_', ' ');
    return { code: printable(code), message: printable(message) };
  }
  if ('details' in document && typeof document.details === 'string') return { code: 'UNAUTHORIZED', message: printable(document.details) };
  return undefined;
}

function codeOfStatus(status: number, notFound: OciImageErrorCode): OciImageErrorCode {
  if (status === 401) return 'REGISTRY_UNAUTHORIZED';
  if (status === 403) return 'REGISTRY_DENIED';
  if (status === 404) return notFound;
  if (status === 429) return 'REGISTRY_RATE_LIMITED';
  return status >= 500 ? 'REGISTRY_UNAVAILABLE' : 'REGISTRY_PROTOCOL';
}

/** Without control characters: the text goes to terminals. */
function printable(text: string): string {
  return text.slice(0, MESSAGE_LENGTH_MAX).replaceAll(/[\0-\x1f\x7f]+/g, ' ');
}
