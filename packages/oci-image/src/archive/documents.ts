import { asArray, asObject, asString, asStrings, optional, parseJson } from '../document.ts';
import { OciImageError } from '../errors.ts';
import { type Descriptor, type Index, MANIFEST_BYTES_MAX, parseManifestDocument } from '../manifest.ts';
import { MEDIA_TYPE } from '../media-types.ts';
import { canonicalReference, isReference, isTag, parseReference, withDefaultTag } from '../reference.ts';

/** Annotation of an index entry: the image's full name (containerd's). */
export const IMAGE_NAME_ANNOTATION = 'io.containerd.image.name';
/** Annotation of an index entry: its tag, or its full name. */
export const REF_NAME_ANNOTATION = 'org.opencontainers.image.ref.name';

/** One image of docker's `manifest.json`. */
export interface DockerArchiveEntry {
  /** Path of the configuration in the archive. */
  readonly config: string;
  readonly repoTags: readonly string[];
  /** Paths of the layers, base first. */
  readonly layers: readonly string[];
}

/** Parses docker's `manifest.json`. @throws OciImageError `ARCHIVE_INVALID` */
export function parseDockerManifest(bytes: Uint8Array): DockerArchiveEntry[] {
  const document = parseJson(bytes, { what: 'manifest.json', bytesMax: MANIFEST_BYTES_MAX });
  if (document === null) throw new OciImageError('ARCHIVE_INVALID', 'invalid manifest, manifest cannot be null (but can be [])');
  return asArray(document, 'manifest.json', (element, path) => {
    const object = asObject(element, path);
    return {
      config: archivePath(asString(object['Config'], `${path}.Config`)),
      repoTags: optional(object, path, 'RepoTags', asStrings).RepoTags ?? [],
      layers: (optional(object, path, 'Layers', asStrings).Layers ?? []).map(archivePath),
    };
  });
}

/** Parses a layout's `index.json`. */
export function parseLayoutIndex(bytes: Uint8Array): Index {
  const document = parseManifestDocument(bytes, undefined);
  if (document.kind !== 'index') throw new OciImageError('ARCHIVE_INVALID', 'index.json is not an image index');
  return document.index;
}

/** Checks the `oci-layout` file. @throws OciImageError `ARCHIVE_INVALID` for a version other than 1 */
export function checkLayoutVersion(bytes: Uint8Array): void {
  const object = asObject(parseJson(bytes, { what: 'oci-layout', bytesMax: 4096 }), 'oci-layout');
  const version = asString(object['imageLayoutVersion'], 'oci-layout.imageLayoutVersion');
  if (!version.startsWith('1.')) throw new OciImageError('ARCHIVE_INVALID', `OCI image layout version ${JSON.stringify(version)} is not supported`);
}

/** The full name an index entry gives its image, if it does; a bare tag is none. */
export function nameOfEntry(entry: Descriptor): string | undefined {
  const names = [entry.annotations?.[IMAGE_NAME_ANNOTATION], entry.annotations?.[REF_NAME_ANNOTATION]];
  const name = names.find((candidate) => candidate !== undefined && !isTag(candidate) && isReference(candidate));
  return name === undefined ? undefined : canonicalReference(withDefaultTag(parseReference(name)));
}

/**
 * A path inside an archive, cleaned. One that leads out is refused, not bent (CVE-2014-9358).
 * @throws OciImageError `ARCHIVE_UNSAFE`
 */
export function archivePath(path: string): string {
  const names: string[] = [];
  for (const name of path.replace(/^\/+/, '').split('/')) {
    if (name === '..' && names.pop() === undefined) throw new OciImageError('ARCHIVE_UNSAFE', `path ${JSON.stringify(path)} leads out of the archive`);
    if (name !== '' && name !== '.' && name !== '..') names.push(name);
  }
  return names.join('/');
}

/** The media type of an image index that a layout's `index.json` has. */
export const LAYOUT_INDEX_MEDIA_TYPE: string = MEDIA_TYPE.ociIndex;
