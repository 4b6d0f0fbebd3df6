import fs from 'node:fs';
import path from 'node:path';
import { NetworkError } from './errors.ts';

/** The version of the file format; a file of another version is refused. */
const STORE_VERSION = 1;

/** A subnet of a network, as text. */
export interface IpamConfig { readonly subnet: string; readonly gateway?: string; readonly ipRange?: string; readonly auxiliaryAddresses?: Readonly<Record<string, string>> }

/** A network as it is kept: what a user asked for, with the blanks filled. */
export interface NetworkRecord {
  readonly id: string;
  readonly name: string;
  readonly driver: 'bridge' | 'host' | 'null';
  readonly created: string;
  /** The bridge link's name; empty for `host` and `none`. */
  readonly bridge: string;
  readonly isInternal: boolean;
  readonly isAttachable: boolean;
  readonly ipam: readonly IpamConfig[];
  readonly options: Readonly<Record<string, string>>;
  readonly labels: Readonly<Record<string, string>>;
}

/** Keeps one JSON document per thing in a folder. A write is whole or absent: temporary file, fsync, rename. */
export class RecordStore<T extends { readonly id: string }> {
  readonly #folder: string;

  constructor(folder: string) {
    this.#folder = folder;
    fs.mkdirSync(folder, { recursive: true, mode: 0o700 });
  }

  /**
   * All that is kept.
   *
   * @throws NetworkError `STORE_VERSION` when a file was written by another version.
   */
  load(): T[] {
    return fs.readdirSync(this.#folder).filter((name) => name.endsWith('.json')).map((name) => {
      const document = JSON.parse(fs.readFileSync(path.join(this.#folder, name), 'utf8')) as { version: number; record: T };
      if (document.version !== STORE_VERSION) throw new NetworkError('failed_precondition', 'STORE_VERSION', `cannot read "${name}": format version is ${document.version}, want ${STORE_VERSION}`);
      return document.record;
    });
  }

  /** Keeps a record, replacing the one of the same id. `durable: false` skips the fsync, for what does not outlive the machine anyway. */
  save(record: T, { durable = true }: { durable?: boolean } = {}): void {
    const file = this.#file(record.id);
    const fd = fs.openSync(`${file}.tmp`, 'w', 0o600);
    try {
      fs.writeSync(fd, JSON.stringify({ version: STORE_VERSION, record }));
      if (durable) fs.fsyncSync(fd);
    } finally {
      fs.closeSync(fd);
    }
    fs.renameSync(`${file}.tmp`, file);
  }

  /** Forgets a record; one that is not there is forgotten already. */
  remove(id: string): void {
    fs.rmSync(this.#file(id), { force: true });
  }

  #file(id: string): string {
    return path.join(this.#folder, `${id}.json`);
  }
}
