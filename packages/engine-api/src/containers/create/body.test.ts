import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isEngineApiError } from '../../errors.ts';
import { parseCreateBody, parseUpdateBody } from './body.ts';

const parse = (value: unknown) => parseCreateBody(value);

describe('parseCreateBody()', () => {
  it('gives every member its zero value where nothing was said', () => {
    const { config, hostConfig, endpoints } = parse({ Image: 'busybox' });
    expect(config).toMatchObject({ Image: 'busybox', Hostname: '', Tty: false, Env: null, Cmd: null, StopTimeout: null, Healthcheck: null });
    expect(hostConfig).toMatchObject({ Memory: 0, Binds: null, RestartPolicy: { Name: '', MaximumRetryCount: 0 }, ConsoleSize: [0, 0], MaskedPaths: null });
    expect(endpoints).toEqual({});
  });

  it('takes Cmd and Entrypoint as one string or as a list', () => {
    expect(parse({ Cmd: 'ls', Entrypoint: ['/bin/sh', '-c'] }).config).toMatchObject({ Cmd: ['ls'], Entrypoint: ['/bin/sh', '-c'] });
  });

  it('matches member names without regard to case and ignores unknown ones', () => {
    expect(parse({ image: 'x', TTY: true, hostconfig: { memory: 7, Nonsense: {} } })).toMatchObject({ config: { Image: 'x', Tty: true }, hostConfig: { Memory: 7 } });
  });

  it('keeps an empty list apart from an absent one', () => {
    expect(parse({ HostConfig: { MaskedPaths: [] } }).hostConfig).toMatchObject({ MaskedPaths: [], ReadonlyPaths: null });
  });

  it.each([
    [{ Tty: 'yes' }, 'json: cannot unmarshal string into Go struct field CreateRequest.Tty of type bool'],
    [{ HostConfig: { Memory: '1g' } }, 'json: cannot unmarshal string into Go struct field CreateRequest.HostConfig.Memory of type int64'],
    [{ HostConfig: { Memory: 1.5 } }, 'json: cannot unmarshal number 1.5 into Go struct field CreateRequest.HostConfig.Memory of type int64'],
    [{ Env: 'A=1' }, 'json: cannot unmarshal string into Go struct field CreateRequest.Env of type []string'],
    [{ Labels: [] }, 'json: cannot unmarshal array into Go struct field CreateRequest.Labels of type map[string]string'],
    [{ HostConfig: { BlkioWeight: 70_000 } }, 'CreateRequest.HostConfig.BlkioWeight of type uint16'],
    [{ Env: [1] }, 'json: cannot unmarshal number into Go struct field CreateRequest.Env of type string'],
  ])('refuses %j in the words of a Go server', (body, words) => {
    expect(() => parse(body)).toThrow(words);
  });

  it('refuses an empty body, null and what is no object', () => {
    expect(() => parseCreateBody(undefined)).toThrow('got EOF while reading request body');
    expect(() => parseCreateBody(null)).toThrow('config cannot be empty in order to create a container');
    expect(() => parseCreateBody([])).toThrow('cannot unmarshal array');
    expect(() => parseCreateBody('text')).toThrow('cannot unmarshal string');
  });

  it('answers any JSON with a configuration or with a 400, and does not let a prototype in', () => {
    fc.assert(fc.property(fc.jsonValue(), (value) => {
      try {
        const { config } = parseCreateBody(value);
        expect(typeof config.Image).toBe('string');
      } catch (err) {
        expect(isEngineApiError(err) && err.kind).toBe('invalid_argument');
      }
    }));
    const { config } = parseCreateBody(JSON.parse('{"Labels":{"__proto__":"x","a":"b"}}'));
    expect(Object.keys(config.Labels ?? {})).toEqual(['__proto__', 'a']);
    expect(({} as Record<string, unknown>)['x']).toBeUndefined();
  });
});

describe('parseUpdateBody()', () => {
  it('reads limits and the restart policy', () => {
    expect(parseUpdateBody({ Memory: 5, RestartPolicy: { Name: 'always' } })).toMatchObject({ Memory: 5, CpuShares: 0, RestartPolicy: { Name: 'always' } });
  });
});
