export { BLOCK_BYTES, decodeName, encodeName, type TarEntryType, type TarEvent, type TarHeader } from './types.ts';
export { TarDecoder } from './decoder.ts';
export { encodeTarEnd, encodeTarHeader, type TarEntryOptions, tarPadding } from './encoder.ts';
export { readTar, type TarEntry } from './reader.ts';
