import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseDaemonJson, readDaemonJson } from './daemon-json.ts';

describe('parseDaemonJson()', () => {
  it('reads every kind of option and the runtimes', () => {
    const { values, runtimes } = parseDaemonJson('{"debug":true,"hosts":["unix:///x"],"log-opts":{"a":"b"},"mtu":1400,"bip":"10.0.0.1/24","runtimes":{"r":{"path":"/bin/r"},"s":{"runtimeType":"io.containerd.s.v1"}}}', new Map());
    expect(Object.fromEntries(values)).toEqual({ debug: true, host: ['unix:///x'], 'log-opt': { a: 'b' }, mtu: 1400, bip: '10.0.0.1/24' });
    expect(runtimes).toEqual({ r: { path: '/bin/r' }, s: { runtimeType: 'io.containerd.s.v1' } });
  });

  it('names all unknown directives', () => {
    expect(() => parseDaemonJson('{"foo":1,"bar":2,"debug":true}', new Map())).toThrow("the following directives don't match any configuration option: bar, foo");
  });

  it('names all directives that are flags as well', () => {
    expect(() => parseDaemonJson('{"debug":false,"hosts":["unix:///x"]}', new Map<string, boolean | string[]>([['debug', true], ['host', ['unix:///y']]])))
      .toThrow('the following directives are specified both as a flag and in the configuration file: debug: (from flag: true, from file: false), hosts: (from flag: [unix:///y], from file: [unix:///x])');
  });

  it('refuses values of the wrong type', () => {
    for (const text of ['{"debug":"yes"}', '{"hosts":"unix:///x"}', '{"mtu":"1400"}', '{"log-opts":["a"]}', '{"runtimes":{"r":{}}}', '[]', '{"debug"']) expect(() => parseDaemonJson(text, new Map())).toThrow();
  });

  it('either parses any text or throws an error', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => {
      try {
        parseDaemonJson(text, new Map());
      } catch (error) {
        expect(error).toBeInstanceOf(Error);
      }
    }));
  });
});

describe('readDaemonJson()', () => {
  it('does without the default file but not without one that was named', () => {
    expect(() => readDaemonJson('/nonexistent/daemon.json', new Map())).toThrow('unable to configure the Docker daemon with file /nonexistent/daemon.json: open /nonexistent/daemon.json: no such file or directory');
  });
});
