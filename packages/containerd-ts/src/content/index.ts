export { BlobFiles } from './blob-files.ts';
export { ContentStore, type BlobInfo, type ContentDependencies } from './content-store.ts';
export { parseDigest, type Digest } from './digest.ts';
export { type CommitOptions, type IngestStatus } from './ingest.ts';
export { IngestStore, type IngestWriter, type OpenIngestOptions } from './ingest-store.ts';
