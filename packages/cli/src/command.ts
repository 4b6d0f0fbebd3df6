import { Command } from '@oclif/core';
import { type DrayClient, type DrayClientError, isDrayClientError } from '@dray/engine-api/client';
import { connect } from './connect.ts';

/** A reference without tag means `latest`, as everywhere in Docker. */
export function splitReference(reference: string): { image: string; tag: string } {
  const digest = reference.indexOf('@');
  if (digest !== -1) return { image: reference.slice(0, digest), tag: reference.slice(digest + 1) };
  const colon = reference.lastIndexOf(':');
  return colon > reference.lastIndexOf('/') ? { image: reference.slice(0, colon), tag: reference.slice(colon + 1) } : { image: reference, tag: 'latest' };
}

/** What all of Dray's commands share. */
export abstract class DrayCommand extends Command {
  static override readonly strict = false;

  /** Runs `use` with a client that is closed afterwards. */
  protected async withClient<T>(use: (client: DrayClient) => Promise<T>): Promise<T> {
    using client = connect();
    return await use(client);
  }

  /** Does the same to each of several things; one that fails does not keep the others from it, but the exit status is 1. */
  protected async forEach(names: readonly string[], act: (name: string) => Promise<void>): Promise<void> {
    let hasFailed = false;
    for (const name of names) {
      try {
        await act(name);
        process.stdout.write(`${name}\n`);
      } catch (error) {
        if (!isDrayClientError(error)) throw error;
        process.stderr.write(`${errorLine(error)}\n`);
        hasFailed = true;
      }
    }
    if (hasFailed) this.exit(1);
  }
}

/** An error as Docker's client words it. */
export function errorLine(error: DrayClientError): string {
  return error.code === 'DAEMON_ERROR' ? `Error response from daemon: ${error.message}` : error.message;
}

