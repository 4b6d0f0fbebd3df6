/** Whether a familiar name fits a pattern such as `busybox`, `foo/*:v1*`: as a whole, or the repository alone. */
export function matchesReferencePattern(pattern: string, name: { readonly familiar: string; readonly repository: string }): boolean {
  const expression = globExpression(pattern);
  return expression.test(name.familiar) || expression.test(name.repository);
}

/** A shell pattern in which `*` and `?` do not match a slash. */
function globExpression(pattern: string): RegExp {
  let source = '';
  for (let index = 0; index < pattern.length; index += 1) {
    const character = pattern.charAt(index);
    const set = character === '[' ? /^\[\^?[^\]]+\]/.exec(pattern.slice(index))?.[0] : undefined;
    if (set !== undefined) {
      source += set.replaceAll('\\', String.raw`\\`);
      index += set.length - 1;
    } else if (character === '*') source += '[^/]*';
    else if (character === '?') source += '[^/]';
    else if (character === '\\' && index + 1 < pattern.length) {
      index += 1;
      source += escape(pattern.charAt(index));
    } else source += escape(character);
  }
  try {
    return new RegExp(`^${source}$`);
  } catch {
    return /^(?!)/; // a malformed set matches nothing
  }
}

function escape(character: string): string {
  return /[\w]/.test(character) ? character : `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
}
