/** Signals by name and number, as clients write them. */
import { constants } from 'node:os';

const SIGRTMIN = 34;
const SIGRTMAX = 64;

/** The signal's number for `KILL`, `SIGKILL`, `9` or `RTMIN+3`; `undefined` for anything else. */
export function parseSignal(value: string): number | undefined {
  if (/^\d+$/.test(value)) {
    const number = Number(value);
    return number > 0 && number <= SIGRTMAX ? number : undefined;
  }
  const name = value.toUpperCase().replace(/^SIG/, '');
  const realtime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realtime) return parseRealtime(realtime);
  const number: unknown = (constants.signals as Record<string, number>)[`SIG${name}`];
  return typeof number === 'number' ? number : undefined;
}

function parseRealtime(match: RegExpExecArray): number | undefined {
  const offset = Number(match[3] ?? 0);
  const number = match[1] === 'MIN' ? SIGRTMIN + offset : SIGRTMAX - offset;
  const isRightWay = match[2] === undefined || (match[1] === 'MIN') === (match[2] === '+');
  return isRightWay && number >= SIGRTMIN && number <= SIGRTMAX ? number : undefined;
}
