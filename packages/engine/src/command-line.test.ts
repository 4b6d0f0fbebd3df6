import { describe, expect, it } from 'vitest';
import { parseCommandLine } from './command-line.ts';

describe('parseCommandLine()', () => {
  it('takes long and short flags, values apart and attached, and repeated lists', () => {
    expect(Object.fromEntries(parseCommandLine(['-H', 'unix:///a', '-Htcp://b', '--host=fd://', '-D', '--data-root', '/d', '--log-opt', 'max-size=1m', '--log-opt', 'max-file=2', '--mtu=1400', '--iptables=false']))).toEqual({
      'host': ['unix:///a', 'tcp://b', 'fd://'], 'debug': true, 'data-root': '/d', 'log-opt': { 'max-size': '1m', 'max-file': '2' }, 'mtu': 1400, 'iptables': false,
    });
  });

  it('refuses what dockerd refuses, in its words and with its exit status', () => {
    const refusals: [string[], string, number][] = [
      [['--nope'], "unknown flag: --nope\nSee 'drayd --help'.", 125],
      [['-x'], "unknown shorthand flag: 'x' in -x\nSee 'drayd --help'.", 125],
      [['--data-root'], "flag needs an argument: --data-root\nSee 'drayd --help'.", 125],
      [['--debug=perhaps'], 'invalid argument "perhaps" for "--debug" flag: strconv.ParseBool: parsing "perhaps": invalid syntax\nSee \'drayd --help\'.', 125],
      [['--mtu', 'big'], 'invalid argument "big" for "--mtu" flag: strconv.ParseInt: parsing "big": invalid syntax\nSee \'drayd --help\'.', 125],
      [['serve'], '"drayd" accepts no argument(s).\nSee \'drayd --help\'.', 1],
    ];
    for (const [args, message, exitStatus] of refusals) expect(() => parseCommandLine(args)).toThrow(expect.objectContaining({ message, exitStatus }));
  });
});
