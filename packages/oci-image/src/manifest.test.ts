import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { digestOf } from './digest.ts';
import { chooseManifest } from './image.ts';
import { parseImageConfig } from './image-config.ts';
import { type Descriptor, MANIFEST_BYTES_MAX, parseManifestDocument } from './manifest.ts';
import { MEDIA_TYPE } from './media-types.ts';

const descriptor = (mediaType: string): Descriptor => ({ mediaType, digest: digestOf(mediaType), size: 1 });
const manifest = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociManifest, config: descriptor(MEDIA_TYPE.ociConfig), layers: [descriptor(MEDIA_TYPE.ociLayerGzip)] };
const index = { schemaVersion: 2, mediaType: MEDIA_TYPE.ociIndex, manifests: [{ ...descriptor(MEDIA_TYPE.ociManifest), platform: { os: 'linux', architecture: 'amd64' } }] };
const bytes = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value));

describe('parseManifestDocument()', () => {
  test('reads manifests and indexes, with and without a media type of their own', () => {
    expect(parseManifestDocument(bytes(manifest), MEDIA_TYPE.ociManifest).kind).toBe('manifest');
    expect(parseManifestDocument(bytes({ ...manifest, mediaType: undefined }), MEDIA_TYPE.ociManifest).kind).toBe('manifest');
    expect(parseManifestDocument(bytes(index)).kind).toBe('index');
    expect(parseManifestDocument(bytes({ ...index, mediaType: null, annotations: null })).kind).toBe('index');
  });

  test.each([
    ['has both layers and manifests (CVE-2021-41190)', { ...manifest, manifests: index.manifests }, undefined],
    ['is a manifest announced as an index', manifest, MEDIA_TYPE.ociIndex],
    ['is an index with a config', { ...index, config: manifest.config }, undefined],
    ['has no type and the fields of an index, announced as a manifest', { ...index, mediaType: undefined }, MEDIA_TYPE.ociManifest],
    ['has schema 1 history beside layers', { ...manifest, fsLayers: [] }, undefined],
    ['has another schema version', { ...manifest, schemaVersion: 3 }, undefined],
    ['is a list', [], undefined],
    ['is null', null, undefined],
    ['has a negative size', { ...manifest, layers: [{ ...descriptor('x'), size: -1 }] }, undefined],
    ['has a size beyond what a number holds', { ...manifest, layers: [{ ...descriptor('x'), size: 2 ** 60 }] }, undefined],
    ['has a layer without media type', { ...manifest, layers: [{ digest: digestOf('x'), size: 1 }] }, undefined],
  ])('refuses a document that %s', (_name, document, mediaType) => {
    expect(() => parseManifestDocument(bytes(document), mediaType)).toThrow(expect.objectContaining({ code: 'INVALID_DOCUMENT' }));
  });

  test('refuses a digest that is a path (CVE-2024-3727)', () => {
    expect(() => parseManifestDocument(bytes({ ...manifest, config: { ...manifest.config, digest: 'sha256:../../x' } }))).toThrow(expect.objectContaining({ code: 'INVALID_DIGEST' }));
  });

  test('refuses embedded content that does not have its digest', () => {
    const data = Buffer.from('{}').toString('base64');
    const right = { mediaType: MEDIA_TYPE.ociEmpty, digest: digestOf('{}'), size: 2, data };
    expect(parseManifestDocument(bytes({ ...manifest, config: right })).kind).toBe('manifest');
    expect(() => parseManifestDocument(bytes({ ...manifest, config: { ...right, digest: digestOf('x') } }))).toThrow(expect.objectContaining({ code: 'DIGEST_MISMATCH' }));
    expect(() => parseManifestDocument(bytes({ ...manifest, config: { ...right, size: 3 } }))).toThrow(expect.objectContaining({ code: 'SIZE_MISMATCH' }));
  });

  test('refuses schema 1 with a plain message', () => {
    expect(() => parseManifestDocument(bytes({ schemaVersion: 1 }), MEDIA_TYPE.dockerSchema1Signed)).toThrow(expect.objectContaining({ code: 'UNSUPPORTED_MEDIA_TYPE' }));
  });

  test('reads no more than its bound', () => {
    expect(() => parseManifestDocument(Buffer.alloc(MANIFEST_BYTES_MAX + 1, 0x20))).toThrow(expect.objectContaining({ code: 'DOCUMENT_TOO_LARGE' }));
  });

  test('answers any JSON with a document or with its own error', () => {
    const key = fc.constantFrom('schemaVersion', 'mediaType', 'config', 'layers', 'manifests', 'digest', 'size', 'platform', 'annotations', 'subject', '__proto__');
    const value = fc.oneof(fc.jsonValue(), fc.constant(2), fc.constantFrom(...Object.values(MEDIA_TYPE)), fc.constant(manifest.config), fc.constant(manifest.layers));
    fc.assert(fc.property(fc.oneof(fc.jsonValue(), fc.dictionary(key, value)), (document) => {
      for (const parse of [parseManifestDocument, parseImageConfig]) {
        try {
          parse(bytes(document));
        } catch (error) {
          expect(error).toMatchObject({ name: 'OciImageError' });
        }
      }
    }), { numRuns: 1000 });
  });
});

describe('parseImageConfig()', () => {
  const config = { architecture: 'amd64', os: 'linux', rootfs: { type: 'layers', diff_ids: [digestOf('a')] } };

  test('counts null as absent (CVE-2021-21285)', () => {
    const nulls = { ...config, created: null, author: null, config: { User: null, Env: null, Cmd: null, Entrypoint: null, Volumes: null, Labels: null, Healthcheck: null, OnBuild: null }, history: null };
    expect(parseImageConfig(bytes(nulls))).toEqual({ ...config, config: {} });
  });

  test.each([
    ['no rootfs', { ...config, rootfs: undefined }], ['another rootfs type', { ...config, rootfs: { type: 'x', diff_ids: [] } }],
    ['an Env that is no list', { ...config, config: { Env: 'A=b' } }], ['a Label that is no text', { ...config, config: { Labels: { a: 1 } } }],
    ['NUL in an argument', { ...config, config: { Cmd: ['a\0b'] } }],
  ])('refuses %s', (_name, document) => {
    expect(() => parseImageConfig(bytes(document))).toThrow(expect.objectContaining({ code: 'INVALID_DOCUMENT' }));
  });

  test('keeps host settings out: an image cannot bring any (CVE-2014-6408)', () => {
    expect(parseImageConfig(bytes({ ...config, HostConfig: { Privileged: true }, config: { SecurityOpt: ['x'] } }))).toEqual({ ...config, config: {} });
  });
});

describe('chooseManifest()', () => {
  const entry = (architecture: string, os = 'linux'): Descriptor => ({ ...descriptor(MEDIA_TYPE.ociManifest), digest: digestOf(architecture), platform: { os, architecture } });

  test('passes over attestations and unknown media types', () => {
    const attestation = { ...entry('unknown', 'unknown'), annotations: { 'vnd.docker.reference.type': 'attestation-manifest' } };
    const strange = { ...entry('amd64'), mediaType: 'application/x-other' };
    expect(chooseManifest({ schemaVersion: 2, manifests: [attestation, strange, entry('arm64'), entry('amd64')] }, { os: 'linux', architecture: 'amd64' })).toEqual(entry('amd64'));
  });

  test('says as docker does that there is no match', () => {
    expect(() => chooseManifest({ schemaVersion: 2, manifests: [entry('arm64')] }, { os: 'linux', architecture: 's390x' }))
      .toThrow('no matching manifest for linux/s390x in the manifest list entries');
  });
});
