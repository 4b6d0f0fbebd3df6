/** A typed value of a client: kept byte for byte, because clients parse again what they stored. */
export interface Any {
  /** A full type name or a path such as `types.containerd.io/opencontainers/runtime-spec/1/Spec`. */
  readonly typeUrl: string;
  readonly value: Uint8Array;
}

const GOOGLE_PREFIX = 'type.googleapis.com/';

/** The type name without the prefix that many protobuf libraries add and containerd never writes. */
export function bareTypeUrl(typeUrl: string): string {
  return typeUrl.startsWith(GOOGLE_PREFIX) ? typeUrl.slice(GOOGLE_PREFIX.length) : typeUrl;
}
