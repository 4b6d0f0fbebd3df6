import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { findStage, parseDockerfile } from './dockerfile.ts';
import { isBuilderError } from './errors.ts';
import { splitWords, substitute } from './words.ts';

const dockerfile = (source: string): ReturnType<typeof parseDockerfile> => parseDockerfile(source);

describe('parseDockerfile()', () => {
  it('reads stages, flags, both argument forms and continued lines', () => {
    const parsed = dockerfile(`# syntax=docker/dockerfile:1
ARG BASE=busybox
FROM --platform=linux/amd64 \${BASE} AS build
# a comment
RUN --mount=type=cache,target=/x echo one \\
  # dropped

  two
CMD ["sh", "-c", "true"]
FROM scratch
COPY --from=build --chown=1:2 /a /b
`);
    expect(parsed.directives).toEqual({ escape: '\\', syntax: 'docker/dockerfile:1' });
    expect(parsed.globalArguments.map(({ text }) => text)).toEqual(['BASE=busybox']);
    expect(parsed.stages).toMatchObject([
      { index: 0, name: 'build', base: '${BASE}', platform: 'linux/amd64', instructions: [
        { name: 'RUN', flags: [{ name: 'mount', value: 'type=cache,target=/x' }], text: 'echo one   two', line: 5 },
        { name: 'CMD', json: ['sh', '-c', 'true'] },
      ] },
      { index: 1, base: 'scratch', instructions: [{ name: 'COPY', flags: [{ name: 'from', value: 'build' }, { name: 'chown', value: '1:2' }], text: '/a /b' }] },
    ]);
    expect(findStage(parsed, 'BUILD').index).toBe(0);
    expect(() => findStage(parsed, 'nope')).toThrow('failed to reach build target nope in Dockerfile');
  });

  it('gathers here-documents', () => {
    const parsed = dockerfile('FROM x\nRUN <<EOF cat\nline $A\nEOF\nCOPY <<-"ONE" <<TWO /dest/\n\tfirst\n\tONE\nsecond\nTWO\nUSER me\n');
    expect(parsed.stages[0]?.instructions).toMatchObject([
      { name: 'RUN', heredocs: [{ name: 'EOF', content: 'line $A\n', expands: true }] },
      { name: 'COPY', heredocs: [{ name: 'ONE', content: 'first\n', expands: false }, { name: 'TWO', content: 'second\n', expands: true }] },
      { name: 'USER', text: 'me' },
    ]);
  });

  it('honours the escape directive', () => {
    expect(dockerfile('# escape=`\nFROM x\nRUN a `\n b\\').stages[0]?.instructions[0]?.text).toBe('a  b\\');
  });

  it.each([
    ['', 'the Dockerfile cannot be empty'],
    ['RUN x', 'no build stage in current context'],
    ['FROM x\nFOO bar', 'dockerfile parse error on line 2: unknown instruction: FOO'],
    ['FROM a b', 'FROM requires either one or three arguments'],
    ['FROM a AS 1x', 'invalid name for build stage: "1x"'],
    ['FROM x\nRUN <<EOF\nnever', 'unterminated heredoc: EOF'],
    ['FROM x\nRUN', 'RUN requires at least one argument'],
    ['# escape=x\nFROM y', "invalid ESCAPE 'x'"],
  ])('refuses %j', (source, message) => {
    expect(() => dockerfile(source)).toThrow(message);
  });

  it('fails only with its own error, whatever it is given', () => {
    const piece = fc.oneof(fc.constantFrom('FROM a\n', 'RUN ', '<<EOF', '\n', '\\\n', '#', 'COPY --x=', '["', '"]', '${', '}'), fc.string());
    fc.assert(fc.property(fc.array(piece, { maxLength: 20 }), (pieces) => {
      try {
        dockerfile(pieces.join(''));
      } catch (error) {
        expect(isBuilderError(error)).toBe(true);
      }
    }));
  });
});

describe('substitute()', () => {
  const lookup = (name: string): string | undefined => ({ A: 'a', EMPTY: '' })[name];
  it.each([
    ['$A ${A}b', 'a ab'], ['${B:-x$A} ${EMPTY:-y} ${EMPTY-y}', 'xa y '], ['${A:+set} ${B:+set}', 'set '], ["'$A' \\$A", "'$A' $A"], ['$', '$'], ['"$A"', '"a"'], ['${A:?why}', 'a'],
  ])('turns %j into %j', (text, wanted) => {
    expect(substitute(text, lookup)).toBe(wanted);
  });

  it('refuses what it does not know and what must be set', () => {
    expect(() => substitute('${A', lookup)).toThrow('missing brace');
    expect(() => substitute('${A%x}', lookup)).toThrow('unsupported modifier');
    expect(() => substitute('${B:?is missing}', lookup)).toThrow('B: is missing');
  });
});

describe('splitWords()', () => {
  it('takes quotes and escapes away', () => {
    expect(splitWords(`a "b c" 'd "e' f\\ g ""`)).toEqual(['a', 'b c', 'd "e', 'f g', '']);
    expect(() => splitWords('"open')).toThrow('matching double-quote');
  });
});
