import { MS } from '@dray/libcontainer';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { compactOverlay, parseMountOptions } from './rootfs.ts';

describe('parseMountOptions()', () => {
  test('tells flags from data', () => {
    expect(parseMountOptions(['rbind', 'ro', 'nosuid'])).toEqual({ flags: MS.BIND | MS.REC | MS.RDONLY | MS.NOSUID, data: '' });
    expect(parseMountOptions(['index=off', 'lowerdir=/a:/b', 'ro', 'rw'])).toEqual({ flags: 0, data: 'index=off,lowerdir=/a:/b' });
    expect(parseMountOptions(['constructor'])).toEqual({ flags: 0, data: 'constructor' });
    expect(parseMountOptions([])).toEqual({ flags: 0, data: '' });
  });
});

describe('compactOverlay()', () => {
  test('names layers relative to the folder they share', () => {
    expect(compactOverlay('workdir=/w,upperdir=/u,lowerdir=/var/lib/s/12/fs:/var/lib/s/1/fs')).toEqual({ folder: '/var/lib/s/', data: 'workdir=/w,upperdir=/u,lowerdir=12/fs:1/fs' });
    expect(compactOverlay('lowerdir=/a/fs:/b/fs')).toBeUndefined();
    expect(compactOverlay('index=off')).toBeUndefined();
  });

  test('loses no layer', () => {
    const layer = fc.array(fc.stringMatching(/^[a-z0-9]{1,4}$/), { minLength: 1, maxLength: 5 }).map((parts) => `/${parts.join('/')}`);
    fc.assert(fc.property(fc.array(layer, { minLength: 1, maxLength: 6 }), (layers) => {
      const compact = compactOverlay(`a=b,lowerdir=${layers.join(':')}`);
      if (compact === undefined) return;
      const names = compact.data.slice('a=b,lowerdir='.length).split(':');
      expect(names.map((name) => compact.folder + name)).toEqual(layers);
    }));
  });
});
