import { BuilderError } from '../errors.ts';

const PORT_MAX = 65_535;
const PROTOCOLS: ReadonlySet<string> = new Set(['tcp', 'udp', 'sctp']);

/**
 * The ports that one argument of `EXPOSE` means: `80`, `53/udp`, `8000-8010/tcp`. What stands before a colon (an address, a host port) is accepted and has no
 * effect on an image.
 *
 * @throws BuilderError `INVALID_ARGUMENT`
 */
export function parseExposedPort(text: string): string[] {
  const [spec = '', protocol = 'tcp', ...more] = text.split('/');
  const container = spec.slice(spec.lastIndexOf(':') + 1);
  if (container === '' || more.length > 0) throw new BuilderError('INVALID_ARGUMENT', `No port specified: ${text}<empty>`);
  if (!PROTOCOLS.has(protocol.toLowerCase() || 'tcp')) throw new BuilderError('INVALID_ARGUMENT', `Invalid proto: ${protocol}`);
  const [, first, last = first] = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(container) ?? [];
  const [from, to] = [Number(first), Number(last)];
  if (first === undefined || from > PORT_MAX || to > PORT_MAX || to < from) throw new BuilderError('INVALID_ARGUMENT', `Invalid containerPort: ${container}`);
  return Array.from({ length: to - from + 1 }, (_unused, index) => `${from + index}/${protocol.toLowerCase() || 'tcp'}`);
}
