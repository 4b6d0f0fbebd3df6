import type { ApiVersion } from '../http/index.ts';
import { type CataloguedImage, type ImageCatalog, type ImageDescription, repoDigests, repoTags } from './image-catalog.ts';

/** An image as `GET /images/json` lists it. */
export async function listEntry(image: CataloguedImage, catalog: ImageCatalog, options: { version: ApiVersion; hasDigests: boolean; sharedSizeBytes: number; containerCount: number }): Promise<Record<string, unknown>> {
  const { version, sharedSizeBytes, containerCount } = options;
  const size = await catalog.sizeBytes(image);
  const [tags, digests] = [repoTags(image), repoDigests(image)];
  const isLegacy = !version.atLeast('1.43');
  return {
    Containers: containerCount,
    Created: Math.trunc(Date.parse(image.config.created ?? '') / 1000) || 0,
    Id: image.id,
    Labels: image.config.config?.Labels ?? null,
    ParentId: '',
    RepoDigests: isLegacy && digests.length === 0 && tags.length === 0 ? ['<none>@<none>'] : digests,
    RepoTags: isLegacy && tags.length === 0 && digests.length === 0 ? ['<none>:<none>'] : tags,
    SharedSize: sharedSizeBytes,
    Size: size,
    ...version.atLeast('1.44') ? {} : { VirtualSize: size },
  };
}

/** An image as `GET /images/{name}/json` shows it. */
export async function inspectEntry(image: CataloguedImage, catalog: ImageCatalog, snapshotter: string, version: ApiVersion): Promise<Record<string, unknown>> {
  const { config } = image;
  const size = await catalog.sizeBytes(image);
  const tagged = image.records.filter(({ name }) => name.kind === 'tag').map(({ record }) => record.updatedAt.getTime());
  return {
    Id: image.id,
    RepoTags: repoTags(image),
    RepoDigests: repoDigests(image),
    Parent: '',
    Comment: config.comment ?? config.history?.at(-1)?.comment ?? '',
    ...config.created === undefined ? {} : { Created: config.created },
    ...version.atLeast('1.45') ? {} : { Container: config.container ?? '', ContainerConfig: defaultConfig() },
    DockerVersion: config.docker_version ?? '',
    Author: config.author ?? '',
    Config: version.atLeast('1.50') ? sparseConfig(image) : fullConfig(image),
    Architecture: config.architecture,
    ...config.variant === undefined ? {} : { Variant: config.variant },
    Os: config.os,
    ...config['os.version'] === undefined ? {} : { OsVersion: config['os.version'] },
    Size: size,
    ...version.atLeast('1.44') ? {} : { VirtualSize: size },
    GraphDriver: { Data: null, Name: snapshotter },
    RootFS: { Type: 'layers', ...config.rootfs.diff_ids.length === 0 ? {} : { Layers: config.rootfs.diff_ids } },
    Metadata: { LastTagTime: tagged.length === 0 ? '0001-01-01T00:00:00Z' : new Date(Math.max(...tagged)).toISOString() },
  };
}

/** Fields of a container's configuration that an image's never holds; older clients expect them. */
function defaultConfig(): Record<string, unknown> {
  return {
    Hostname: '', Domainname: '', User: '', AttachStdin: false, AttachStdout: false, AttachStderr: false, Tty: false, OpenStdin: false, StdinOnce: false, Env: null, Cmd: null, Image: '', Volumes: null,
    WorkingDir: '', Entrypoint: null, OnBuild: null, Labels: null,
  };
}

function fullConfig(image: ImageDescription): Record<string, unknown> {
  return { ...defaultConfig(), ...image.config.config };
}

function sparseConfig(image: ImageDescription): Record<string, unknown> {
  const config = image.config.config ?? {};
  return {
    ...config.User === undefined || config.User === '' ? {} : { User: config.User },
    ...config.ExposedPorts === undefined ? {} : { ExposedPorts: config.ExposedPorts },
    Env: config.Env ?? null,
    Cmd: config.Cmd ?? null,
    ...config.Healthcheck === undefined ? {} : { Healthcheck: config.Healthcheck },
    ...config.ArgsEscaped === undefined ? {} : { ArgsEscaped: config.ArgsEscaped },
    Volumes: config.Volumes ?? null,
    WorkingDir: config.WorkingDir ?? '',
    Entrypoint: config.Entrypoint ?? null,
    OnBuild: config.OnBuild ?? null,
    Labels: config.Labels ?? null,
    ...config.StopSignal === undefined ? {} : { StopSignal: config.StopSignal },
    ...config.Shell === undefined ? {} : { Shell: config.Shell },
  };
}

/** An image's history, newest step first. */
export async function historyEntries(image: CataloguedImage, catalog: ImageCatalog): Promise<Record<string, unknown>[]> {
  const chain = [...image.chainIds];
  const entries: Record<string, unknown>[] = [];
  for (const step of image.config.history ?? []) {
    const chainId = step.empty_layer === true ? undefined : chain.shift();
    entries.push({
      Comment: step.comment ?? '',
      Created: Math.trunc(Date.parse(step.created ?? '') / 1000) || 0,
      CreatedBy: step.created_by ?? '',
      Id: '<missing>',
      Size: chainId === undefined ? 0 : await catalog.layerSizeBytes(chainId),
      Tags: null,
    });
  }
  const newest = entries.at(-1);
  if (newest !== undefined) Object.assign(newest, { Id: image.id, Tags: repoTags(image).length === 0 ? null : repoTags(image) });
  return entries.reverse();
}
