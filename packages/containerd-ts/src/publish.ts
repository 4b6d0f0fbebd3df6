import { credentials, Metadata } from '@grpc/grpc-js';
import { EventsClient } from '@dray/containerd-api/services/events';
import { Any } from '@dray/containerd-api/types';

/** Milliseconds for the daemon to take the event. */
const TIMEOUT_MS = 5000;

/** Publishes an event whose Any comes on standard input: what shims without ttrpc call. */
export async function publish({ address, topic, namespace }: { readonly address: string; readonly topic: string; readonly namespace: string }): Promise<void> {
  const event = Any.decode(await readStandardInput());
  const client = new EventsClient(address.startsWith('unix:') ? address : `unix://${address}`, credentials.createInsecure());
  const metadata = new Metadata();
  metadata.set('containerd-namespace', namespace);
  try {
    await new Promise<void>((resolve, reject) => {
      client.publish({ topic, event }, metadata, { deadline: Date.now() + TIMEOUT_MS }, (error) => {
        if (error === null) resolve();
        else reject(error);
      });
    });
  } finally {
    client.close();
  }
}

async function readStandardInput(): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  for await (const chunk of process.stdin) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
