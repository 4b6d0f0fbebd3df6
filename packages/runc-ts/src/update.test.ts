import { describe, expect, it } from 'vitest';
import { mergeResources } from './update.ts';

describe('mergeResources()', () => {
  it('keeps what an update does not name, and takes 0 for that', () => {
    const current = { memory: { limit: 100, swap: 200 }, cpu: { shares: 10, cpus: '0' }, pids: { limit: 5 } };
    expect(mergeResources(current, { memory: { limit: 50, reservation: 0 }, cpu: { quota: 7, shares: 0, cpus: '' } })).toEqual({ memory: { limit: 50, swap: 200 }, cpu: { shares: 10, cpus: '0', quota: 7 }, pids: { limit: 5 } });
  });

  it('never touches devices', () => {
    expect(mergeResources({ devices: [{ allow: false }] }, { devices: [{ allow: true }] }).devices).toEqual([{ allow: false }]);
  });
});
