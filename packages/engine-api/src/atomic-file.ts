import fs from 'node:fs/promises';

/** Writes a file so that after a crash it holds the old text or the new one, whole: temporary file, fsync, rename. */
export async function writeFileAtomically(path: string, text: string, mode = 0o600): Promise<void> {
  const temporary = `${path}.tmp`;
  const file = await fs.open(temporary, 'w', mode);
  try {
    await file.writeFile(text);
    await file.sync();
  } finally {
    await file.close();
  }
  await fs.rename(temporary, path);
}
