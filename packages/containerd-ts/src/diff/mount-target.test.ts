import { describe, expect, it } from 'vitest';
import { mountTarget } from './mount-target.ts';

const isOverlay = (folder: string): boolean => folder.startsWith('/overlay/');

describe('mountTarget()', () => {
  it('finds the folders behind overlay mounts', () => {
    const overlay = (options: string[]): ReturnType<typeof mountTarget> => mountTarget([{ type: 'overlay', source: 'overlay', target: '', options }], isOverlay);
    expect(overlay(['index=off', 'workdir=/w', 'upperdir=/u', 'lowerdir=/a:/b'])).toEqual({ folder: '/u', form: 'overlay', lowers: ['/a', '/b'], hasUserAttributes: false });
    expect(overlay(['userxattr', 'lowerdir=/a:/b'])).toEqual({ folder: '/a', form: 'overlay', lowers: ['/b'], hasUserAttributes: true });
  });

  it('takes a bind of an overlay snapshot for a base layer, and any other for plain files', () => {
    const bind = (source: string): ReturnType<typeof mountTarget> => mountTarget([{ type: 'bind', source, target: '', options: ['rw', 'rbind'] }], isOverlay);
    expect(bind('/overlay/1/fs').form).toBe('overlay');
    expect(bind('/elsewhere')).toEqual({ folder: '/elsewhere', form: 'plain', lowers: [], hasUserAttributes: false });
  });

  it('refuses mounts it cannot see through', () => {
    expect(() => mountTarget([], isOverlay)).toThrow('not implemented');
    expect(() => mountTarget([{ type: 'erofs', source: '/x', target: '', options: [] }], isOverlay)).toThrow('not implemented');
  });
});
