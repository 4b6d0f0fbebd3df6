/** A Buffer over the same memory as `bytes`, which must not be written to afterwards. Used by the generated gRPC services. */
export function bufferOver(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
