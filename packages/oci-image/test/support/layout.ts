import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { type Digest, digestOf } from '../../src/digest.ts';
import { type ContainerDefaults, encodeImageConfig, type ImageConfig } from '../../src/image-config.ts';
import type { Descriptor, Manifest } from '../../src/manifest.ts';
import { MEDIA_TYPE } from '../../src/media-types.ts';

/** An image in an OCI layout, made by a test. */
export interface TestImage {
  readonly config: ImageConfig;
  readonly manifest: Manifest;
  readonly manifestDescriptor: Descriptor;
}

/** Writes an OCI image layout with one image, tagged. */
export function writeLayout(folder: string, options: {
  readonly layers: readonly Buffer[]; readonly tag?: string; readonly compression?: 'none' | 'gzip' | 'zstd'; readonly defaults?: ContainerDefaults; readonly format?: 'oci' | 'docker';
}): TestImage {
  mkdirSync(join(folder, 'blobs/sha256'), { recursive: true });
  const isDocker = options.format === 'docker';
  const put = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const digest: Digest = digestOf(bytes);
    writeFileSync(join(folder, 'blobs/sha256', digest.slice(7)), bytes);
    return { mediaType, digest, size: bytes.byteLength };
  };
  const compression = options.compression ?? 'gzip';
  const layers = options.layers.map((layer) => {
    if (compression === 'gzip') return put(isDocker ? MEDIA_TYPE.dockerLayerGzip : MEDIA_TYPE.ociLayerGzip, gzipSync(layer));
    return compression === 'zstd' ? put(MEDIA_TYPE.ociLayerZstd, zstdCompressSync(layer)) : put(isDocker ? MEDIA_TYPE.dockerLayer : MEDIA_TYPE.ociLayer, layer);
  });
  const config: ImageConfig = {
    created: '2024-01-02T03:04:05Z', architecture: 'amd64', os: 'linux', config: options.defaults ?? { Cmd: ['/bin/sh'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: options.layers.map((layer) => digestOf(layer)) },
    history: options.layers.map((_, index) => ({ created: '2024-01-02T03:04:05Z', created_by: `layer ${index}` })),
  };
  const manifest: Manifest = {
    schemaVersion: 2, mediaType: isDocker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest,
    config: put(isDocker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig, encodeImageConfig(config)), layers,
  };
  const manifestDescriptor = put(manifest.mediaType ?? '', Buffer.from(JSON.stringify(manifest)));
  writeFileSync(join(folder, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
  writeFileSync(join(folder, 'index.json'), JSON.stringify({
    schemaVersion: 2, manifests: [{ ...manifestDescriptor, annotations: { 'org.opencontainers.image.ref.name': options.tag ?? 'latest' } }],
  }));
  return { config, manifest, manifestDescriptor };
}
