import { describe, expect, test } from 'vitest';
import { parseRegistryAuth } from './credentials.ts';
import { HostTable } from './hosts.ts';
import { mayReceiveCredentials } from './token.ts';

describe('HostTable', () => {
  test('lets only loopback and listed hosts go without TLS', () => {
    const hosts = new HostTable({ insecureRegistries: ['10.0.0.0/8', 'lab.example:5000'] });
    for (const domain of ['localhost', 'localhost:5000', '127.0.0.1:5000', '127.9.9.9', '[::1]:5000', '10.1.2.3:443', 'lab.example:5000']) expect([domain, hosts.isInsecure(domain)]).toEqual([domain, true]);
    for (const domain of ['docker.io', '11.0.0.1', 'lab.example', 'localhost.example.com', '127.0.0.1.example.com']) expect([domain, hosts.isInsecure(domain)]).toEqual([domain, false]);
  });

  test('never offers plain HTTP for a registry that is not insecure', () => {
    expect(new HostTable().endpoints('example.com', 'pull')).toEqual([{ baseUrl: 'https://example.com', isInsecure: false, isMirror: false }]);
  });

  test('asks mirrors for Docker Hub pulls only', () => {
    const hosts = new HostTable({ mirrors: ['https://mirror.example/'] });
    expect(hosts.endpoints('docker.io', 'pull').map(({ baseUrl }) => baseUrl)).toEqual(['https://mirror.example', 'https://registry-1.docker.io']);
    expect(hosts.endpoints('docker.io', 'push').map(({ baseUrl }) => baseUrl)).toEqual(['https://registry-1.docker.io']);
    expect(hosts.endpoints('quay.io', 'pull')).toHaveLength(1);
  });

  test.each(['10.0.0.0/33', 'x/8', '10.0.0.0/8/8', '::/129'])('refuses the block %s', (entry) => {
    expect(() => new HostTable({ insecureRegistries: [entry] })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });

  test.each(['ftp://x', 'https://u:p@x', 'nonsense', 'https://x?q=1'])('refuses the mirror %s', (mirror) => {
    expect(() => new HostTable({ mirrors: [mirror] })).toThrow(expect.objectContaining({ code: 'INVALID_OPTION' }));
  });
});

describe('mayReceiveCredentials()', () => {
  test.each([
    ['https://auth.docker.io/token', 'https://registry-1.docker.io', true], ['https://ghcr.io/token', 'https://ghcr.io', true], ['https://gitlab.com/jwt/auth', 'https://registry.gitlab.com', true],
    ['http://127.0.0.1:5001/token', 'http://127.0.0.1:5000', true],
    ['https://evil.example/token', 'https://registry.gitlab.com', false], ['http://ghcr.io/token', 'https://ghcr.io', false], ['https://b.com/token', 'https://a.com', false],
    ['https://127.0.0.2/token', 'https://127.0.0.1', false], ['https://evilgitlab.com/x', 'https://registry.gitlab.com', false],
  ])('realm %s of registry %s: %s', (realm, registry, expected) => {
    expect(mayReceiveCredentials(new URL(realm), new URL(registry))).toBe(expected);
  });
});

describe('parseRegistryAuth()', () => {
  const header = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

  test('reads every form of credentials', () => {
    expect(parseRegistryAuth(header({ username: 'u', password: 'p:q' }))).toEqual({ kind: 'basic', username: 'u', password: 'p:q' });
    expect(parseRegistryAuth(header({ auth: Buffer.from('u:p:q').toString('base64') }))).toEqual({ kind: 'basic', username: 'u', password: 'p:q' });
    expect(parseRegistryAuth(header({ identitytoken: 't' }))).toEqual({ kind: 'identity', token: 't' });
    expect(parseRegistryAuth(header({ registrytoken: 't' }))).toEqual({ kind: 'registry', token: 't' });
    expect(parseRegistryAuth(header({}))).toBeUndefined();
    expect(parseRegistryAuth('')).toBeUndefined();
  });

  test('does not repeat a bad header in its error', () => {
    const secret = Buffer.from('{"password":"hunter2"').toString('base64url');
    try {
      parseRegistryAuth(secret);
      expect.unreachable();
    } catch (error) {
      expect(JSON.stringify([error, (error as Error).message, (error as Error).cause])).not.toContain('hunter2');
    }
  });
});
