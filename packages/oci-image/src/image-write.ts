import { type ContentSink, writeContent } from './content/index.ts';
import { digestOf } from './digest.ts';
import { gcLabels, type Image } from './image.ts';
import { encodeImageConfig, type ImageConfig } from './image-config.ts';
import type { Descriptor, Manifest } from './manifest.ts';
import { MEDIA_TYPE } from './media-types.ts';

/** Which family of media types a new image uses. */
export type ImageFormat = 'oci' | 'docker';

/**
 * Writes the configuration and the manifest of an image whose layers are in the store already: what commit, build and import end with.
 * @param options.config as an object, which is encoded, or as bytes that must stay as they are
 */
export async function writeImage(content: ContentSink, options: {
  readonly config: ImageConfig;
  readonly configBytes?: Uint8Array;
  readonly layers: readonly Descriptor[];
  readonly format?: ImageFormat;
  readonly annotations?: Readonly<Record<string, string>>;
}): Promise<Image> {
  const isDocker = options.format === 'docker';
  const configBytes = options.configBytes ?? encodeImageConfig(options.config);
  const mediaType = isDocker ? MEDIA_TYPE.dockerManifest : MEDIA_TYPE.ociManifest;
  const manifest: Manifest = {
    schemaVersion: 2, mediaType,
    config: { mediaType: isDocker ? MEDIA_TYPE.dockerConfig : MEDIA_TYPE.ociConfig, digest: digestOf(configBytes), size: configBytes.byteLength },
    layers: options.layers.map(({ mediaType: type, digest, size }) => ({ mediaType: type, digest, size })),
    ...(options.annotations === undefined ? {} : { annotations: options.annotations }),
  };
  const manifestBytes = Buffer.from(JSON.stringify(manifest), 'utf8');
  const descriptor: Descriptor = { mediaType, digest: digestOf(manifestBytes), size: manifestBytes.length };
  await writeContent(content, manifest.config, configBytes);
  await writeContent(content, descriptor, manifestBytes, gcLabels({ kind: 'manifest', mediaType, manifest }, []));
  return { descriptor, manifestDescriptor: descriptor, manifest, config: options.config, configBytes };
}
