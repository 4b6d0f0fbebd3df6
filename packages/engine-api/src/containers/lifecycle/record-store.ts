/** Container records on disk: `<containers>/<id>/config.v2.json`. */
import { mkdir, open, readdir, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../logger.ts';
import { RECORD_VERSION, type ContainerRecord } from './record.ts';

const FILE = 'config.v2.json';

/** The records of a folder. Writes for one container never overlap; a record that changes while it is written is written once more. */
export class RecordStore {
  readonly #folder: string;
  readonly #logger: Logger;
  readonly #writes = new Map<string, Promise<void>>();
  readonly #waiting = new Map<string, { record: ContainerRecord; isDurable: boolean; done: Promise<void> }>();

  constructor(options: { folder: string; logger: Logger }) {
    this.#folder = options.folder;
    this.#logger = options.logger;
  }

  /** The folder of one container. */
  folderOf(id: string): string {
    return join(this.#folder, id);
  }

  /** Makes a container's folder. */
  async makeFolder(id: string): Promise<void> {
    await mkdir(this.folderOf(id), { recursive: true, mode: 0o710 });
  }

  /**
   * Writes a record as it is when its turn comes. Resolves when it is in place; with `isDurable` also on disk, should the machine lose power.
   */
  save(record: ContainerRecord, options: { isDurable: boolean }): Promise<void> {
    const waiting = this.#waiting.get(record.id);
    if (waiting) {
      waiting.isDurable ||= options.isDurable;
      return waiting.done;
    }
    const before = this.#writes.get(record.id) ?? Promise.resolve();
    const entry = { record, isDurable: options.isDurable, done: Promise.resolve() };
    entry.done = before.catch(() => undefined).then(async () => {
      this.#waiting.delete(record.id);
      await this.#write(entry.record, entry.isDurable);
    });
    this.#waiting.set(record.id, entry);
    this.#writes.set(record.id, entry.done);
    void entry.done.catch(() => undefined).then(() => {
      if (this.#writes.get(record.id) === entry.done) this.#writes.delete(record.id);
    });
    return entry.done;
  }

  async #write(record: ContainerRecord, isDurable: boolean): Promise<void> {
    const path = join(this.folderOf(record.id), FILE);
    const file = await open(`${path}.tmp`, 'w', 0o600);
    try {
      await file.writeFile(JSON.stringify(record));
      if (isDurable) await file.datasync();
    } finally {
      await file.close();
    }
    await rename(`${path}.tmp`, path);
  }

  /** Removes a container's folder with everything in it, after writes that are under way. */
  async remove(id: string): Promise<void> {
    await this.#waiting.get(id)?.done.catch(() => undefined);
    await this.#writes.get(id)?.catch(() => undefined);
    await rm(this.folderOf(id), { recursive: true, force: true });
  }

  /** Every readable record. A folder without one is a container whose creation never finished: it is removed; an unreadable one is reported and left. */
  async load(): Promise<ContainerRecord[]> {
    await mkdir(this.#folder, { recursive: true, mode: 0o710 });
    const entries = await readdir(this.#folder, { withFileTypes: true });
    const folders = entries.filter((entry) => entry.isDirectory() && /^[0-9a-f]{64}$/.test(entry.name));
    const records = await Promise.all(folders.map((entry) => this.#loadOne(entry.name)));
    return records.filter((record) => record !== undefined).sort((a, b) => a.created.localeCompare(b.created));
  }

  async #loadOne(id: string): Promise<ContainerRecord | undefined> {
    try {
      const record = JSON.parse(await readFile(join(this.folderOf(id), FILE), 'utf8')) as Partial<ContainerRecord>;
      if (record.version !== RECORD_VERSION || record.id !== id) throw new Error(`record version is ${String(record.version)}, want ${RECORD_VERSION}`);
      return record as ContainerRecord;
    } catch (err) {
      if (err instanceof Error && 'code' in err && err.code === 'ENOENT') {
        await rm(this.folderOf(id), { recursive: true, force: true });
        return undefined;
      }
      this.#logger.error({ containerId: id, err }, 'cannot read a container record, leaving it alone');
      return undefined;
    }
  }
}
