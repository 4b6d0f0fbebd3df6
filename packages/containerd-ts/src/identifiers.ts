import { invalidArgument } from './errors.ts';
import { quote } from './quote.ts';

/** Characters an identifier may have at most. */
export const IDENTIFIER_LENGTH_MAX = 76;

const IDENTIFIER = /^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$/;

/**
 * Checks a namespace, container, exec, lease or sandbox id, or one part of a topic: runs of letters and digits joined by a single `.`, `_` or `-`.
 *
 * @throws ContainerdError `invalid_argument`, `INVALID_IDENTIFIER`
 */
export function validateIdentifier(text: string): void {
  if (text === '') throw invalidArgument('INVALID_IDENTIFIER', 'identifier must not be empty');
  if (text.length > IDENTIFIER_LENGTH_MAX) {
    throw invalidArgument('INVALID_IDENTIFIER', `identifier ${quote(text)} greater than maximum length (${String(IDENTIFIER_LENGTH_MAX)} characters)`);
  }
  if (!IDENTIFIER.test(text)) throw invalidArgument('INVALID_IDENTIFIER', `identifier ${quote(text)} must match ^[A-Za-z0-9]+(?:[._-](?:[A-Za-z0-9]+))*$`);
}

/** Whether text is an identifier. */
export function isIdentifier(text: string): boolean {
  return text.length <= IDENTIFIER_LENGTH_MAX && IDENTIFIER.test(text);
}
