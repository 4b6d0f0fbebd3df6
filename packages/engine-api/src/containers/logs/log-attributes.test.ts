import { describe, expect, it } from 'vitest';
import { logAttributes } from './log-attributes.ts';

describe('logAttributes()', () => {
  const config = { Labels: { app: 'web', tier: 'front' }, Env: ['OS=linux', 'PATH=/bin', 'EMPTY=', 'BARE'] };
  const of = (options: Record<string, string>): Record<string, string> => logAttributes(config, { Type: 'json-file', Config: options });

  it('takes what is listed and what matches', () => {
    expect(of({ labels: 'app,absent', env: 'OS,EMPTY,BARE' })).toEqual({ app: 'web', OS: 'linux', EMPTY: '' });
    expect(of({ 'labels-regex': '^ti', 'env-regex': '^(PA|EM)' })).toEqual({ tier: 'front', PATH: '/bin', EMPTY: '' });
  });

  it('takes nothing unless asked, and nothing by a broken pattern', () => {
    expect(of({})).toEqual({});
    expect(of({ 'labels-regex': '(' })).toEqual({});
  });
});
