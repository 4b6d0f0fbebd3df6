import type { Readable } from 'node:stream';

/** The JSON documents of a stream that has one in each line. */
export async function* jsonLines<T>(source: Readable): AsyncIterable<T> {
  let rest = '';
  source.setEncoding('utf8');
  for await (const chunk of source as AsyncIterable<string>) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) if (line.trim() !== '') yield JSON.parse(line) as T;
  }
  if (rest.trim() !== '') yield JSON.parse(rest) as T;
}
