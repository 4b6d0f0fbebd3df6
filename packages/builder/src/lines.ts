/**
 * A Dockerfile's logical lines: comments and blank lines dropped, continued lines joined, heredoc bodies gathered.
 *
 * @see the Dockerfile reference: parser directives, line continuation, here-documents
 */
import { BuilderError } from './errors.ts';

/** A here-document: the text between the line that announces it and its delimiter. */
export interface Heredoc { readonly name: string; readonly content: string; /** Variables in it are replaced: its delimiter was not quoted. */ readonly expands: boolean }

/** One instruction's text. */
export interface LogicalLine { readonly text: string; /** Its first line in the file, from 1. */ readonly line: number; readonly heredocs: readonly Heredoc[] }

/** The `# key=value` lines at the very top. */
export interface Directives { readonly escape: '\\' | '`'; readonly syntax?: string }

/** The largest Dockerfile that is read, in characters. */
export const DOCKERFILE_CHARACTERS_MAX: number = 1024 * 1024;

const HEREDOC = /(?<![\w'"])<<(-?)(?:"([A-Za-z_][\w.]*)"|'([A-Za-z_][\w.]*)'|([A-Za-z_][\w.]*))/g;
const HEREDOC_INSTRUCTION = /^\s*(RUN|COPY|ADD)\s/i;

/**
 * Splits a Dockerfile into logical lines.
 *
 * @throws BuilderError `DOCKERFILE_SYNTAX` for a wrong escape directive, an unterminated here-document or a file over {@link DOCKERFILE_CHARACTERS_MAX}.
 */
export function logicalLines(source: string): { directives: Directives; lines: LogicalLine[] } {
  if (source.length > DOCKERFILE_CHARACTERS_MAX) throw new BuilderError('DOCKERFILE_SYNTAX', `dockerfile is ${source.length} characters long, at most ${DOCKERFILE_CHARACTERS_MAX} are read`);
  const physical = source.replace(/^\uFEFF/, '').split(/\r?\n/);
  const directives = parseDirectives(physical);
  const lines: LogicalLine[] = [];
  for (let index = 0; index < physical.length;) {
    if (isBlankOrComment(physical[index] ?? '')) {
      index++;
      continue;
    }
    const line = index + 1;
    let text = '';
    for (let isContinued = true; isContinued && index < physical.length; index++) {
      const part = physical[index] ?? '';
      // Comments and blank lines inside a continued instruction are dropped, as the original does.
      if (text !== '' && isBlankOrComment(part)) continue;
      const continued = continuation(part, directives.escape);
      isContinued = continued !== undefined;
      text += continued ?? part;
    }
    const gathered = gatherHeredocs(text, physical, index, line);
    index = gathered.next;
    lines.push({ text: text.trim(), line, heredocs: gathered.heredocs });
  }
  return { directives, lines };
}

const isBlankOrComment = (line: string): boolean => /^\s*(#|$)/.test(line);

/** The line without its trailing escape, or undefined where the line is not continued. */
function continuation(line: string, escape: string): string | undefined {
  const trimmed = line.trimEnd();
  return trimmed.endsWith(escape) ? trimmed.slice(0, -1) : undefined;
}

function parseDirectives(lines: readonly string[]): Directives {
  const found: Record<string, string> = {};
  for (const line of lines) {
    const match = /^#\s*([A-Za-z][A-Za-z0-9]*)\s*=\s*(.+?)\s*$/.exec(line);
    if (!match) break;
    const key = (match[1] ?? '').toLowerCase();
    if (!['escape', 'syntax', 'check'].includes(key)) break;
    if (key in found) throw new BuilderError('DOCKERFILE_SYNTAX', `only one ${key} parser directive can be used`, 1);
    found[key] = match[2] ?? '';
  }
  const escape = found['escape'] ?? '\\';
  if (escape !== '\\' && escape !== '`') throw new BuilderError('DOCKERFILE_SYNTAX', `invalid ESCAPE '${escape}'. Must be ` + '` or \\', 1);
  return { escape, ...(found['syntax'] !== undefined && { syntax: found['syntax'] }) };
}

function gatherHeredocs(text: string, physical: readonly string[], from: number, line: number): { heredocs: Heredoc[]; next: number } {
  const heredocs: Heredoc[] = [];
  let next = from;
  if (!HEREDOC_INSTRUCTION.test(text)) return { heredocs, next };
  for (const [, dash, doubleQuoted, singleQuoted, plain] of text.matchAll(HEREDOC)) {
    const name = doubleQuoted ?? singleQuoted ?? plain ?? '';
    const strip = (value: string): string => (dash === '-' ? value.replace(/^\t+/, '') : value);
    const end = physical.findIndex((candidate, index) => index >= next && strip(candidate) === name);
    if (end === -1) throw new BuilderError('DOCKERFILE_SYNTAX', `unterminated heredoc: ${name}`, line);
    heredocs.push({ name, expands: plain !== undefined, content: physical.slice(next, end).map((body) => `${strip(body)}\n`).join('') });
    next = end + 1;
  }
  return { heredocs, next };
}
