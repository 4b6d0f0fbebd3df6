import { describe, expect, it } from 'vitest';
import { parseHost } from './hosts.ts';

describe('parseHost()', () => {
  it('reads the addresses that dockerd takes', () => {
    expect(parseHost('unix:///run/x.sock', { isTls: false })).toEqual({ kind: 'unix', path: '/run/x.sock' });
    expect(parseHost('unix://', { isTls: false })).toEqual({ kind: 'unix', path: '/var/run/docker.sock' });
    expect(parseHost('fd://', { isTls: false })).toEqual({ kind: 'fd', name: '' });
    expect(parseHost('tcp://127.0.0.1:1234', { isTls: false })).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 1234 });
    expect(parseHost('tcp://127.0.0.1', { isTls: true })).toEqual({ kind: 'tcp', host: '127.0.0.1', port: 2376 });
    expect(parseHost('tcp://', { isTls: false })).toEqual({ kind: 'tcp', host: 'localhost', port: 2375 });
    expect(parseHost('tcp://:99', { isTls: false })).toEqual({ kind: 'tcp', host: '0.0.0.0', port: 99 });
    expect(parseHost('tcp://[::1]:99', { isTls: false })).toEqual({ kind: 'tcp', host: '::1', port: 99 });
  });

  it('refuses others', () => {
    for (const text of ['npipe://x', 'unix://relative', 'tcp://a:b', 'tcp://1.2.3.4:99999', '']) expect(() => parseHost(text, { isTls: false })).toThrow(/invalid bind address/);
  });
});
