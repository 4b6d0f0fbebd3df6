import { constants } from 'node:os';
import { BuilderError } from '../errors.ts';

const SIGNAL_MAX = 64;

/** Checks a `STOPSIGNAL`: a number, or a name with or without `SIG`. @throws BuilderError `INVALID_ARGUMENT` */
export function checkStopSignal(text: string): void {
  const name = text.toUpperCase().replace(/^SIG/, '');
  const isNumber = /^\d{1,3}$/.test(text) && Number(text) > 0 && Number(text) <= SIGNAL_MAX;
  if (isNumber || `SIG${name}` in constants.signals || /^RT(MIN(\+([0-9]|1[0-5]))?|MAX(-([0-9]|1[0-4]))?)$/.test(name)) return;
  throw new BuilderError('INVALID_ARGUMENT', `Invalid signal: ${text}`);
}
