import { describe, expect, it } from 'vitest';
import { applyChanges } from './config-changes.ts';
import { matchesReferencePattern } from './reference-pattern.ts';
import { humanSize, progressBar } from './progress.ts';

describe('applyChanges()', () => {
  it('applies every instruction that docker commit and import take', () => {
    expect(applyChanges({ Env: ['a=1', 'b=2'], Labels: { x: 'y' }, WorkingDir: '/srv' }, [
      'CMD ["a","b"]', 'ENTRYPOINT echo hi', 'ENV a=3 c="4 5"\nENV d e f', 'EXPOSE 80 53/udp', 'LABEL k=v', 'ONBUILD RUN true', 'USER nobody', 'VOLUME /a /b', 'WORKDIR app', 'STOPSIGNAL SIGINT', 'HEALTHCHECK --interval=5s --retries=2 CMD true',
    ])).toEqual({
      Cmd: ['a', 'b'], Entrypoint: ['/bin/sh', '-c', 'echo hi'], Env: ['b=2', 'a=3', 'c=4 5', 'd=e f'], ExposedPorts: { '80/tcp': {}, '53/udp': {} }, Labels: { x: 'y', k: 'v' }, OnBuild: ['RUN true'], User: 'nobody',
      Volumes: { '/a': {}, '/b': {} }, WorkingDir: '/srv/app', StopSignal: 'SIGINT', Healthcheck: { Test: ['CMD-SHELL', 'true'], Interval: 5e9, Retries: 2 },
    });
  });

  it('refuses others', () => {
    expect(() => applyChanges({}, ['RUN rm -rf /'])).toThrow('RUN is not a valid change command');
    expect(() => applyChanges({}, ['NOPE x'])).toThrow(/unknown instruction/);
    expect(() => applyChanges({}, ['HEALTHCHECK MAYBE x'])).toThrow(/Unknown type/);
  });
});

describe('matchesReferencePattern()', () => {
  it('matches the repository or the whole name, and no slash with a star', () => {
    const name = { familiar: 'foo/bar:v1.2', repository: 'foo/bar' };
    expect(['foo/bar', 'foo/*', 'foo/bar:v1*', '*/*:v?.[0-9]', 'foo/bar:v1.2'].filter((pattern) => !matchesReferencePattern(pattern, name))).toEqual([]);
    expect(['foo', '*', 'foo/bar:v2*', 'bar', 'foo/b', '['].filter((pattern) => matchesReferencePattern(pattern, name))).toEqual([]);
  });
});

describe('progressBar()', () => {
  it('draws what dockerd draws', () => {
    expect(progressBar(1_000_000, 2_000_000)).toBe('[=========================>                         ]      1MB/2MB');
    expect(progressBar(5, 0)).toBe('      5B');
    expect(humanSize(1_982_468)).toBe('1.982MB');
  });
});
