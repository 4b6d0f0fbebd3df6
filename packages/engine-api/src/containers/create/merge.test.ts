import { describe, expect, it } from 'vitest';
import { parseContainerConfig } from './body.ts';
import { commandOf, mergeImageConfig, type ImageDefaults } from './merge.ts';

const merge = (config: object, image: ImageDefaults) => mergeImageConfig(parseContainerConfig(config), image);

describe('mergeImageConfig()', () => {
  it.each([
    ['nothing given takes both', {}, ['/e', 'c']],
    ['a command keeps the entry point', { Cmd: ['x'] }, ['/e', 'x']],
    ['an entry point drops the image\'s command', { Entrypoint: ['/y'] }, ['/y']],
    ['both given', { Entrypoint: ['/y'], Cmd: ['z'] }, ['/y', 'z']],
    ['an empty string clears the entry point and drops the command', { Entrypoint: [''] }, []],
    ['an empty list clears the entry point and keeps the command', { Entrypoint: [] }, ['c']],
  ])('%s', (_name, config, command) => {
    expect(commandOf(merge(config, { Entrypoint: ['/e'], Cmd: ['c'] }))).toEqual(command);
  });

  it('appends the image\'s variables that the client did not set', () => {
    expect(merge({ Env: ['A=1', 'B'] }, { Env: ['A=2', 'B=2', 'C=2'] }).Env).toEqual(['A=1', 'B', 'C=2']);
  });

  it('joins labels, ports and volumes, the client winning', () => {
    const merged = merge({ Labels: { a: 'own' }, ExposedPorts: { '80/tcp': {} } }, { Labels: { a: 'image', b: 'image' }, ExposedPorts: { '81/tcp': {} }, Volumes: { '/v': {} } });
    expect(merged.Labels).toEqual({ a: 'own', b: 'image' });
    expect(Object.keys(merged.ExposedPorts ?? {}).sort()).toEqual(['80/tcp', '81/tcp']);
    expect(merged.Volumes).toEqual({ '/v': {} });
  });

  it('takes user, working directory and stop signal of the image where none is given', () => {
    const image = { User: 'u', WorkingDir: '/w', StopSignal: 'SIGINT' };
    expect(merge({}, image)).toMatchObject(image);
    expect(merge({ User: 'v', WorkingDir: '/x', StopSignal: 'SIGUSR1' }, image)).toMatchObject({ User: 'v', WorkingDir: '/x', StopSignal: 'SIGUSR1' });
  });

  it('merges a health check member by member', () => {
    const image = { Healthcheck: { Test: ['CMD', 'a'], Interval: 5, Timeout: 6, StartPeriod: 7, StartInterval: 8, Retries: 9 } };
    expect(merge({ Healthcheck: { Interval: 50 } }, image).Healthcheck).toEqual({ ...image.Healthcheck, Interval: 50 });
    expect(merge({ Healthcheck: { Test: ['NONE'] } }, image).Healthcheck?.Test).toEqual(['NONE']);
  });
});
