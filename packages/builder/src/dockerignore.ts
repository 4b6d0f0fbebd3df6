/** Decides which paths of a build context are left out, by the rules of `.dockerignore`: the last pattern that fits wins, `!` takes back. */
export interface IgnoreMatcher { ignores(path: string): boolean }

/**
 * Reads a `.dockerignore` file.
 *
 * @see the Dockerfile reference: patterns follow Go's filepath.Match, with `**` for any number of folders
 */
export function parseDockerignore(source: string): IgnoreMatcher {
  const rules = source.split(/\r?\n/).map((line) => line.trim()).filter((line) => line !== '' && !line.startsWith('#')).map((line) => {
    const isException = line.startsWith('!');
    const pattern = (isException ? line.slice(1).trim() : line).split('/').filter((part) => part !== '' && part !== '.').join('/');
    return { isException, expression: patternExpression(pattern) };
  });
  return {
    ignores: (path) => rules.reduce((isIgnored, { isException, expression }) => (expression.test(path) ? !isException : isIgnored), false),
  };
}

/** Whether a path fits a pattern of Go's filepath.Match: `*` and `?` stay within one folder. */
export function matchesPattern(pattern: string, path: string): boolean {
  return patternExpression(pattern.replaceAll(/\*+/g, '*'), '$').test(path);
}

/** By default a pattern fits a path and everything below it. */
function patternExpression(pattern: string, tail = '(?:/|$)'): RegExp {
  let source = '';
  for (let index = 0; index < pattern.length; index++) {
    const character = pattern.charAt(index);
    if (pattern.startsWith('**', index)) {
      const isFolder = pattern.charAt(index + 2) === '/';
      source += isFolder ? '(?:.*/)?' : '.*';
      index += isFolder ? 2 : 1;
    } else if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '\\' && index + 1 < pattern.length) source += escapeExpression(pattern.charAt(++index));
    else if (character === '[') {
      const end = pattern.indexOf(']', index + 1);
      const body = end === -1 ? '' : pattern.slice(index + 1, end).replaceAll(/[\\[]/g, String.raw`\$&`);
      // A class that is empty or never closed matches nothing but itself.
      source += body === '' || body === '^' ? String.raw`\[` : `[${body}]`;
      if (body !== '' && body !== '^') index = end;
    } else source += escapeExpression(character);
  }
  try {
    return new RegExp(`^${source}${tail}`, 's');
  } catch {
    return new RegExp(`^${escapeExpression(pattern)}${tail}`, 's'); // a range out of order is taken literally
  }
}

const escapeExpression = (text: string): string => text.replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`);
