import { randomUUID } from 'node:crypto';
import fs from 'node:fs/promises';
import path from 'node:path';
import { writeFileAtomically } from '../atomic-file.ts';

/** The engine's own id: made at its first start, kept in `<data-root>/engine-id`. */
export async function engineId(dataRoot: string): Promise<string> {
  const file = path.join(dataRoot, 'engine-id');
  const known = await fs.readFile(file, 'utf8').catch(() => '');
  if (known.trim() !== '') return known.trim();
  const id = randomUUID();
  await writeFileAtomically(file, id);
  return id;
}
