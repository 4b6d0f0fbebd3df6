import { describe, expect, it } from 'vitest';
import { checkContainerName, newContainerId, randomContainerName } from './name-rules.ts';
import { NameRegistry } from './registry.ts';

const id = (digit: string): string => digit.repeat(64);

describe('container names', () => {
  it.each(['ab', 'a_b.c-d', '0x', '/web'])('accepts %j', (name) => expect(checkContainerName(name)).toBe(name.replace('/', '')));
  it.each(['', 'a', '-ab', '.ab', 'a b', 'a/b', 'ä-b', 'a\n'])('refuses %j', (name) => expect(() => checkContainerName(name)).toThrow('only [a-zA-Z0-9][a-zA-Z0-9_.-] are allowed'));
  it('makes up names that are allowed', () => {
    for (let attempt = 0; attempt < 50; attempt++) expect(() => checkContainerName(randomContainerName(attempt % 3))).not.toThrow();
  });
  it('never makes an id whose short form is a number', () => {
    const draws = [Buffer.from('12'.repeat(32), 'hex'), Buffer.from('a2'.repeat(32), 'hex')];
    expect(newContainerId(() => draws.shift() ?? Buffer.alloc(32))).toBe('a2'.repeat(32));
  });
});

describe('NameRegistry', () => {
  const filled = (): NameRegistry<{ id: string; name: string }> => {
    const registry = new NameRegistry<{ id: string; name: string }>();
    registry.add({ id: id('a'), name: '/web' });
    registry.add({ id: `ab${'c'.repeat(62)}`, name: '/db' });
    return registry;
  };

  it('finds by id, by name with and without slash, and by a unique start of an id', () => {
    const registry = filled();
    for (const reference of [id('a'), 'web', '/web', 'aa']) expect(registry.find(reference).name).toBe('/web');
  });

  it('refuses an ambiguous start and what is not there', () => {
    expect(() => filled().find('a')).toThrow('Multiple IDs found with provided prefix: a');
    expect(() => filled().find('nope')).toThrow('No such container: nope');
    expect(() => filled().find('')).toThrow('No such container');
  });

  it('prefers a name to the start of another\'s id', () => {
    const registry = filled();
    registry.add({ id: id('9'), name: '/aa' });
    expect(registry.find('aa').id).toBe(id('9'));
  });

  it('gives a name to one container only, in Docker\'s words, and gives it back', () => {
    const registry = filled();
    expect(() => registry.reserve('web', id('1'))).toThrow(
      `Conflict. The container name "/web" is already in use by container "${id('a')}". You have to remove (or rename) that container to be able to reuse that name.`);
    registry.release('web', id('2'));
    expect(registry.isFree('web')).toBe(false);
    registry.remove(registry.find('web'));
    expect(registry.isFree('web')).toBe(true);
  });
});
