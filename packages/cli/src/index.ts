export { COMMANDS } from './commands.ts';
export { main } from './main.ts';
