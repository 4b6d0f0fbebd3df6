import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { takeGlobalFlags } from './global-flags.ts';
import { parseBytes, parseCpus, parseEnvironment, parseLabels, parsePorts } from './option-values.ts';

describe('option values', () => {
  it('are sizes, processors, variables and labels', () => {
    expect([parseBytes('64m'), parseBytes('1.5g'), parseBytes('10'), parseBytes('512KiB')]).toEqual([67108864, 1610612736, 10, 524288]);
    expect(parseCpus('0.5')).toBe(5e8);
    expect(parseEnvironment(['A=b=c', 'HOME', 'UNSET'], { HOME: '/me' })).toEqual(['A=b=c', 'HOME=/me']);
    expect(parseLabels(['a=b', 'c'])).toEqual({ a: 'b', c: '' });
  });

  it('are ports in all forms', () => {
    expect(parsePorts(['80']).bindings).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '' }] });
    expect(parsePorts(['127.0.0.1:8080:80/udp']).bindings).toEqual({ '80/udp': [{ HostIp: '127.0.0.1', HostPort: '8080' }] });
    expect(parsePorts(['[::1]::80']).bindings).toEqual({ '80/tcp': [{ HostIp: '::1', HostPort: '' }] });
    expect(parsePorts(['8000-8001:80-81']).bindings).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '8000' }], '81/tcp': [{ HostIp: '', HostPort: '8001' }] });
    expect(parsePorts(['8000-8010:80']).bindings).toEqual({ '80/tcp': [{ HostIp: '', HostPort: '8000-8010' }] });
  });

  it('that make no sense are refused with one line', () => {
    for (const parse of [parseBytes, parseCpus, (value: string) => parsePorts([value])]) {
      fc.assert(fc.property(fc.string(), (value) => {
        try {
          parse(value);
        } catch (error) {
          expect(error).toHaveProperty('name', 'UsageError');
        }
      }));
    }
    expect(() => parsePorts(['1-3:1-2'])).toThrow('invalid ranges specified');
    expect(() => parseBytes('lots')).toThrow("invalid size: 'lots'");
  });
});

describe('takeGlobalFlags()', () => {
  it('takes what stands before the command and nothing after it', () => {
    expect(takeGlobalFlags(['-H', 'tcp://a:1', '--tlsverify', '--tlscacert=/ca', 'run', '-H', 'x'])).toEqual({ environment: { DOCKER_HOST: 'tcp://a:1', DOCKER_TLS_VERIFY: '1', DRAY_TLS_CA: '/ca' }, rest: ['run', '-H', 'x'] });
    expect(takeGlobalFlags(['-H/run/x.sock', 'ps']).environment).toEqual({ DOCKER_HOST: 'unix:///run/x.sock' });
    expect(takeGlobalFlags(['--frob']).error).toBe('unknown flag: --frob');
    expect(takeGlobalFlags(['-H']).error).toBe('flag needs an argument: -H');
  });
});
