import type { Runtime } from '../runtime.ts';
import type { HelpTopic } from './help.ts';
import type { CommandLog } from './log.ts';

/** What a command works with. */
export interface CommandContext {
  readonly runtime: Runtime;
  readonly log: CommandLog;
  readonly root: string;
  readonly isDebug: boolean;
  readonly flags: FlagReader;
  /** The words behind the flags. */
  readonly args: readonly string[];
  readonly write: (text: string) => void;
}

/** The flags that were given. */
export interface FlagReader {
  text(name: string): string | undefined;
  isSet(name: string): boolean;
  boolean(name: string): boolean;
  integer(name: string): number | undefined;
  texts(name: string): readonly string[];
}

/** How many words a command takes behind its flags. */
export interface ArgumentCount {
  readonly min: number;
  readonly max: number;
}

/** One verb of the command line. */
export interface Command extends HelpTopic {
  readonly count: ArgumentCount;
  /** What a failure's message begins with, for example `runc create failed`. */
  readonly failurePrefix?: string;
  /** Exit status of a failure; default 1. */
  readonly failureStatus?: number;
  /** Resolves to the exit status. */
  readonly run: (context: CommandContext) => Promise<number>;
}
