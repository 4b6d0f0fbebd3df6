import path from 'node:path';

/** The flags that stand before the command, as environment variables and files that the client reads anyway. */
const VALUE_FLAGS: Readonly<Record<string, string>> = {
  '-H': 'DOCKER_HOST', '--host': 'DOCKER_HOST', '--config': 'DOCKER_CONFIG', '-c': 'DOCKER_CONTEXT', '--context': 'DOCKER_CONTEXT',
  '--tlscacert': 'DRAY_TLS_CA', '--tlscert': 'DRAY_TLS_CERT', '--tlskey': 'DRAY_TLS_KEY', '-l': 'DRAY_LOG_LEVEL', '--log-level': 'DRAY_LOG_LEVEL',
};
const SWITCHES: Readonly<Record<string, Readonly<Record<string, string>>>> = { '--tlsverify': { DOCKER_TLS_VERIFY: '1' }, '--tls': { DOCKER_TLS: '1' }, '-D': {}, '--debug': {} };

/** Global flags taken off the front of the command line. */
export interface GlobalFlags { readonly environment: Readonly<Record<string, string>>; readonly rest: readonly string[]; readonly error?: string }

/** Takes the flags before the command off the command line. */
export function takeGlobalFlags(argv: readonly string[]): GlobalFlags {
  const environment: Record<string, string> = {};
  let index = 0;
  for (; index < argv.length && argv[index]?.startsWith('-'); index++) {
    const argument = argv[index] ?? '';
    if (argument === '-v' || argument === '--version' || argument === '-h' || argument === '--help') break;
    const [flag, attached] = splitFlag(argument);
    const variable = VALUE_FLAGS[flag];
    const set = SWITCHES[argument];
    if (variable !== undefined) {
      const value = attached ?? argv[++index];
      if (value === undefined) return { environment, rest: [], error: `flag needs an argument: ${argument}` };
      environment[variable] = variable === 'DOCKER_HOST' ? normalizeHost(value) : value;
    } else if (set) Object.assign(environment, set);
    else return { environment, rest: [], error: `unknown flag: ${argument}` };
  }
  return { environment, rest: argv.slice(index) };
}

function splitFlag(argument: string): [flag: string, value: string | undefined] {
  if (argument.startsWith('--')) {
    const equals = argument.indexOf('=');
    return equals === -1 ? [argument, undefined] : [argument.slice(0, equals), argument.slice(equals + 1)];
  }
  return argument.length > 2 ? [argument.slice(0, 2), argument.slice(2).replace(/^=/, '')] : [argument, undefined];
}

/** A host without scheme is a TCP address, or a socket's path. */
function normalizeHost(value: string): string {
  if (value.includes('://')) return value;
  return path.isAbsolute(value) ? `unix://${value}` : `tcp://${value}`;
}
