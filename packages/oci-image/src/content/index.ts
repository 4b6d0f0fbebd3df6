export * from './types.ts';
export { FileContentStore, type FileContentStoreOptions, type LabelStore } from './file-store.ts';
export { findContent, ingestRef, isAlreadyExists, isNotFound, openWriterPatiently, readContent, writeContent } from './blob.ts';
