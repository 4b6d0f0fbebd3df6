/** Makes an image of a container. */
import { Readable } from 'node:stream';
import { packTree } from '@dray/oci-image';
import { EngineApiError, notImplemented } from '../../errors.ts';
import { applyChanges } from '../../images/index.ts';
import type { ContainerDefaults } from '../../images/image-configuration.ts';
import { parseContainerConfig } from '../create/body.ts';
import { commandOf, mergeImageConfig } from '../create/merge.ts';
import type { ContainerConfig } from '../create/types.ts';
import type { Container } from '../lifecycle/container.ts';
import { publish, type Engine } from '../lifecycle/engine.ts';
import { pauseContainer, unpauseContainer } from '../lifecycle/stop.ts';
import { layersOf } from './archive-root.ts';

/** What a client asks. */
export interface CommitOptions {
  readonly reference: string;
  readonly author: string;
  readonly comment: string;
  readonly changes: readonly string[];
  readonly pauses: boolean;
  /** The request's body: a configuration that goes before the container's own. */
  readonly config: unknown;
}

/** Commits a container. Resolves to the new image's id. A running container is paused meanwhile, if asked. @throws EngineApiError */
export async function commitContainer(engine: Engine, container: Container, options: CommitOptions): Promise<string> {
  if (container.isRemoving) throw new EngineApiError('conflict', 'REMOVAL_IN_PROGRESS', `You cannot commit container ${container.id} which is being removed`);
  const layers = layersOf(await engine.tasks.snapshotMounts(container.id));
  if (!layers) throw notImplemented(`commit is not implemented for the snapshotter "${container.record.snapshotter}"`);
  const mustPause = options.pauses && container.isRunning && !container.isPaused;
  if (mustPause) await pauseContainer(engine, container);
  try {
    const own = mergeImageConfig(parseContainerConfig(options.config ?? {}), container.record.config);
    const id = await engine.context.images.commit({
      parent: await engine.context.images.resolve(container.record.imageId).catch(() => undefined), // the image may be gone, its layers are not
      layer: Readable.from(packTree({ root: layers.upper, form: 'overlay' }), { objectMode: false }),
      configuration: applyChanges(defaultsOf(own), options.changes),
      author: options.author, comment: options.comment, createdBy: commandOf(container.record.config).join(' '), reference: options.reference,
    });
    publish(engine, container, 'commit', { comment: options.comment, imageID: id, imageRef: options.reference });
    return id;
  } finally {
    if (mustPause) await unpauseContainer(engine, container).catch(() => undefined); // it may have ended meanwhile
  }
}

function defaultsOf(config: ContainerConfig): ContainerDefaults {
  return {
    ...(config.User === '' ? {} : { User: config.User }),
    ...(config.ExposedPorts ? { ExposedPorts: config.ExposedPorts } : {}),
    ...(config.Env ? { Env: config.Env } : {}),
    ...(config.Entrypoint ? { Entrypoint: config.Entrypoint } : {}),
    ...(config.Cmd ? { Cmd: config.Cmd } : {}),
    ...(config.Volumes ? { Volumes: config.Volumes } : {}),
    ...(config.WorkingDir === '' ? {} : { WorkingDir: config.WorkingDir }),
    ...(config.Labels ? { Labels: config.Labels } : {}),
    ...(config.StopSignal === '' ? {} : { StopSignal: config.StopSignal }),
    ...(config.Healthcheck ? { Healthcheck: { ...config.Healthcheck, Test: config.Healthcheck.Test ?? [] } } : {}),
    ...(config.OnBuild ? { OnBuild: config.OnBuild } : {}),
    ...(config.Shell ? { Shell: config.Shell } : {}),
  };
}
