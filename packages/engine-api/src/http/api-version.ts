/** The newest version of the Docker Engine API that is served, and what a request without a version gets. */
export const API_VERSION = '1.51';
/** The oldest version that is served. */
export const API_VERSION_MIN = '1.24';

/** A version of the Docker Engine API, such as 1.44. */
export interface ApiVersion {
  readonly major: number;
  readonly minor: number;
  /** Whether this is `version` ("1.44") or newer. */
  atLeast(version: string): boolean;
  toString(): string;
}

/** The newest version that is served. */
export const NEWEST_VERSION: ApiVersion = apiVersion(1, 51);
/** The oldest version that is served. */
export const OLDEST_VERSION: ApiVersion = apiVersion(1, 24);

/** Parses "1.44"; versions compare by number, part by part. Anything else gives undefined. */
export function parseApiVersion(text: string): ApiVersion | undefined {
  const match = /^(\d{1,6})\.(\d{1,6})(?:\.\d+)*$/.exec(text) ?? /^(\d{1,6})()$/.exec(text);
  if (match === null) return undefined;
  return apiVersion(Number(match[1]), Number(match[2]), text);
}

function apiVersion(major: number, minor: number, text = `${major}.${minor}`): ApiVersion {
  return {
    major,
    minor,
    atLeast(version: string): boolean {
      const [wantedMajor = 0, wantedMinor = 0] = version.split('.').map(Number);
      return major > wantedMajor || (major === wantedMajor && minor >= wantedMinor);
    },
    toString: () => text,
  };
}
