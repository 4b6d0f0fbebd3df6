import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { canonicalReference, familiarName, familiarReference, parseReference, withDefaultTag } from './reference.ts';

const DIGEST = `sha256:${'0123456789abcdef'.repeat(4)}`;

describe('parseReference()', () => {
  test.each([
    ['busybox', 'docker.io/library/busybox', 'busybox'],
    ['busybox:1.36', 'docker.io/library/busybox:1.36', 'busybox:1.36'],
    ['docker.io/busybox', 'docker.io/library/busybox', 'busybox'],
    ['index.docker.io/library/busybox:x', 'docker.io/library/busybox:x', 'busybox:x'],
    ['user/app', 'docker.io/user/app', 'user/app'],
    ['library/a/b', 'docker.io/library/a/b', 'library/a/b'],
    ['localhost/app', 'localhost/app', 'localhost/app'],
    ['localhost:5000/a/b:tag', 'localhost:5000/a/b:tag', 'localhost:5000/a/b:tag'],
    ['127.0.0.1:5000/app', '127.0.0.1:5000/app', '127.0.0.1:5000/app'],
    ['[::1]:5000/app:t', '[::1]:5000/app:t', '[::1]:5000/app:t'],
    ['Example.COM/app', 'Example.COM/app', 'Example.COM/app'],
    [`ghcr.io/o/app@${DIGEST}`, `ghcr.io/o/app@${DIGEST}`, `ghcr.io/o/app@${DIGEST}`],
    [`app:tag@${DIGEST}`, `docker.io/library/app:tag@${DIGEST}`, `app:tag@${DIGEST}`],
    ['a__b--c.d_e', 'docker.io/library/a__b--c.d_e', 'a__b--c.d_e'],
  ])('normalises %s', (text, canonical, familiar) => {
    const reference = parseReference(text);
    expect(canonicalReference(reference)).toBe(canonical);
    expect(familiarReference(reference)).toBe(familiar);
  });

  test.each([
    ['Busybox', 'invalid reference format: repository name must be lowercase'],
    ['busybox:', 'invalid reference format'],
    ['', 'invalid reference format'],
    ['a//b', 'invalid reference format'],
    ['../x', 'invalid reference format'],
    ['a b', 'invalid reference format'],
    ['-a', 'invalid reference format'],
    ['a_-b', 'invalid reference format'],
    ['app:.tag', 'invalid reference format'],
    [`app:${'t'.repeat(129)}`, 'invalid reference format'],
    ['app@sha256:abc', 'invalid reference format'],
    [`app@${DIGEST.toUpperCase()}`, 'invalid reference format'],
    ['http://host/app', 'invalid reference format'],
    ['a'.repeat(64), `invalid repository name (${'a'.repeat(64)}), cannot specify 64-byte hexadecimal strings`],
    [`h.io/${'a'.repeat(251)}`, 'repository name must not be more than 255 characters'],
  ])('refuses %s as docker does', (text, message) => {
    expect(() => parseReference(text)).toThrow(expect.objectContaining({ code: 'INVALID_REFERENCE', message }));
  });

  test('reads back everything it has written, in both forms', () => {
    const component = fc.stringMatching(/^[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,5})?$/);
    const domain = fc.constantFrom('docker.io', 'localhost', 'localhost:5000', 'registry.example.com', '10.0.0.1:443');
    const tag = fc.option(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,20}$/), { nil: undefined });
    fc.assert(fc.property(domain, fc.array(component, { minLength: 1, maxLength: 3 }), tag, fc.boolean(), (host, path, tagText, hasDigest) => {
      const text = `${host}/${path.join('/')}${tagText === undefined ? '' : `:${tagText}`}${hasDigest ? `@${DIGEST}` : ''}`;
      const reference = parseReference(text);
      expect(parseReference(canonicalReference(reference))).toEqual(reference);
      // docker.io/a.b/c is familiarly a.b/c, which names another registry: docker's own quirk.
      if (!(host === 'docker.io' && path.length > 1 && path[0]?.includes('.') === true)) expect(parseReference(familiarReference(reference))).toEqual(reference);
      expect(familiarName(reference).startsWith('docker.io')).toBe(false);
    }));
  });

  test('answers any text with a reference or with its own error', () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('a', '/', ':', '@', '.', '-', '_', 'A', '[', ']', '5') })), (text) => {
      try {
        const reference = parseReference(text);
        expect(parseReference(canonicalReference(reference))).toEqual(reference);
      } catch (error) {
        expect(error).toMatchObject({ name: 'OciImageError', code: 'INVALID_REFERENCE' });
      }
    }), { numRuns: 2000 });
  });
});

describe('withDefaultTag()', () => {
  test('adds latest where there is neither tag nor digest', () => {
    expect(withDefaultTag(parseReference('a')).tag).toBe('latest');
    expect(withDefaultTag(parseReference('a:b')).tag).toBe('b');
    expect(withDefaultTag(parseReference(`a@${DIGEST}`)).tag).toBeUndefined();
  });
});
