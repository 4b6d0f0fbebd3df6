/** What of a command's flags the splitter must know. */
export interface FlagShape { readonly type: 'boolean' | 'option'; readonly char?: string; readonly aliases?: readonly string[] }

/**
 * Splits a command line at its first positional argument: everything from there on belongs to the process in the container, also what looks like a flag.
 * Docker's `run` and `exec` read their command line so.
 */
export function splitAtFirstPositional(argv: readonly string[], flags: Readonly<Record<string, FlagShape>>): { options: string[]; positionals: string[] } {
  const takesValue = new Set(Object.entries(flags).filter(([, flag]) => flag.type === 'option').flatMap(([name, flag]) => [name, ...(flag.aliases ?? [])]).map((name) => `--${name}`));
  const shortWithValue = new Set(Object.values(flags).filter((flag) => flag.type === 'option').flatMap((flag) => flag.char ?? []));
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? '';
    if (argument === '--') return { options: argv.slice(0, index), positionals: argv.slice(index + 1) };
    if (!argument.startsWith('-') || argument === '-') return { options: argv.slice(0, index), positionals: argv.slice(index) };
    if (argument.startsWith('--') ? takesValue.has(argument) : endsInValueFlag(argument.slice(1), shortWithValue)) index++;
  }
  return { options: [...argv], positionals: [] };
}

/** Whether a group of short flags ends in one that takes the next word: `-itw` does, `-w/dir` has its value already. */
function endsInValueFlag(group: string, shortWithValue: ReadonlySet<string>): boolean {
  const position = [...group].findIndex((char) => shortWithValue.has(char));
  return position !== -1 && position === group.length - 1;
}
