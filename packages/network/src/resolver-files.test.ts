import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { hostsFile, resolvConf } from './resolver-files.ts';

describe('resolvConf()', () => {
  it('leaves out resolvers that a container cannot reach', () => {
    expect(resolvConf({ host: 'nameserver 127.0.0.53\nnameserver 10.0.0.2\nsearch corp.example\noptions edns0\n' })).toBe('nameserver 10.0.0.2\nsearch corp.example\noptions edns0\n');
  });

  it('falls back to public resolvers when none is left', () => {
    expect(resolvConf({ host: '# nothing\nnameserver 127.0.0.1' })).toBe('nameserver 8.8.8.8\nnameserver 8.8.4.4\n');
  });

  it('lets what was asked for replace the host\'s', () => {
    expect(resolvConf({ host: 'nameserver 10.0.0.2\nsearch a', dns: ['1.1.1.1'], search: ['.'], options: ['ndots:1'] })).toBe('nameserver 1.1.1.1\noptions ndots:1\n');
  });

  it('reads any text', () => {
    fc.assert(fc.property(fc.string(), (host) => {
      expect(resolvConf({ host })).toMatch(/^nameserver \S+\n/);
    }));
  });
});

describe('hostsFile()', () => {
  it('has localhost, extra hosts and the container\'s own name', () => {
    const text = hostsFile({ hostname: 'box', domainname: 'example.org', addresses: ['10.0.0.2'], extraHosts: ['db:10.9.9.9', 'host:host-gateway', 'six:[fd00::1]'], hostGateway: '10.0.0.1' });
    expect(text.split('\n').slice(6)).toEqual(['10.9.9.9\tdb', '10.0.0.1\thost', 'fd00::1\tsix', '10.0.0.2\tbox.example.org box', '']);
    expect(text).toMatch(/^127\.0\.0\.1\tlocalhost\n/);
  });
});
