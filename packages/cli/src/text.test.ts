import { describe, expect, it } from 'vitest';
import { formatPort, humanDuration, humanSize, shortId, table } from './text.ts';

describe('what the client prints', () => {
  it.each([[0, 'Less than a second'], [1, '1 second'], [59, '59 seconds'], [60, 'About a minute'], [150, '2 minutes'], [3600, 'About an hour'], [7200, '2 hours'], [3 * 86400, '3 days'], [20 * 86400, '2 weeks'], [90 * 86400, '3 months'], [800 * 86400, '2 years']])(
    'puts %d seconds as %j', (seconds, wanted) => {
      expect(humanDuration(seconds)).toBe(wanted);
    });

  it.each([[0, '0B'], [999, '999B'], [1000, '1kB'], [1_240_000, '1.24MB'], [77_800_000, '77.8MB'], [5e9, '5GB']])('puts %d bytes as %j', (bytes, wanted) => {
    expect(humanSize(bytes)).toBe(wanted);
  });

  it('aligns columns', () => {
    expect(table(['ID', 'NAME'], [['abc', 'x'], ['a-longer-cell', 'y']])).toBe('ID              NAME\nabc             x\na-longer-cell   y\n');
  });

  it('shortens ids and joins ports', () => {
    expect(shortId(`sha256:${'ab'.repeat(32)}`)).toBe('abababababab');
    expect(formatPort({ IP: '::', PrivatePort: 80, PublicPort: 8080, Type: 'tcp' })).toBe('[::]:8080->80/tcp');
    expect(formatPort({ PrivatePort: 80, Type: 'tcp' })).toBe('80/tcp');
  });
});
