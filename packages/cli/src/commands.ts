import type { Command } from '@oclif/core';
import Exec from './commands/exec.ts';
import Images from './commands/images.ts';
import Logs from './commands/logs.ts';
import Ps from './commands/ps.ts';
import Pull from './commands/pull.ts';
import Rm from './commands/rm.ts';
import Run from './commands/run.ts';
import Stop from './commands/stop.ts';
import Version from './commands/version.ts';

/** All commands by their names, in the short and in the grouped form. */
export const COMMANDS: Readonly<Record<string, Command.Class>> = {
  exec: Exec, images: Images, logs: Logs, ps: Ps, pull: Pull, rm: Rm, run: Run, stop: Stop, version: Version,
  'container:exec': Exec, 'container:logs': Logs, 'container:ls': Ps, 'container:ps': Ps, 'container:list': Ps, 'container:rm': Rm, 'container:run': Run, 'container:stop': Stop,
  'image:ls': Images, 'image:list': Images, 'image:pull': Pull,
};
