import { parseRfc3339 } from '../clock.ts';
import type { Labels } from '../labels.ts';

/** A thing that can be collected, or that holds others. */
export interface GcNode {
  readonly kind: 'content' | 'snapshot' | 'image' | 'ingest' | 'lease' | 'container';
  readonly namespace: string;
  /** A digest, `<snapshotter>/<key>`, a name, a ref or an id. */
  readonly key: string;
}

/** The text by which a node is found again. */
export function nodeId(node: GcNode): string {
  return `${node.kind}\0${node.namespace}\0${node.key}`;
}

/** Keeps content or a snapshot, whatever its value. */
export const LABEL_ROOT = 'containerd.io/gc.root';
/** On a lease: what it holds is kept, what that refers to is not. */
export const LABEL_FLAT = 'containerd.io/gc.flat';
/** The time (RFC 3339) from which a lease or image holds nothing any more. */
export const LABEL_EXPIRE = 'containerd.io/gc.expire';

const REFERENCE_CONTENT = 'containerd.io/gc.ref.content';
const REFERENCE_SNAPSHOT = 'containerd.io/gc.ref.snapshot.';
const REFERENCE_IMAGE = 'containerd.io/gc.ref.image';
const BACK_CONTAINER = 'containerd.io/gc.bref.container';
const BACK_CONTENT = 'containerd.io/gc.bref.content';
const BACK_IMAGE = 'containerd.io/gc.bref.image';
const BACK_SNAPSHOT = 'containerd.io/gc.bref.snapshot.';

/** What an object's labels say it needs. */
export function labelReferences(namespace: string, labels: Labels): GcNode[] {
  const nodes: GcNode[] = [];
  for (const [label, value] of Object.entries(labels)) {
    if (isNamed(label, REFERENCE_CONTENT)) nodes.push({ kind: 'content', namespace, key: value });
    else if (isNamed(label, REFERENCE_IMAGE)) nodes.push({ kind: 'image', namespace, key: value });
    else if (label.startsWith(REFERENCE_SNAPSHOT)) nodes.push({ kind: 'snapshot', namespace, key: `${snapshotterOf(label, REFERENCE_SNAPSHOT)}/${value}` });
  }
  return nodes;
}

/** Which objects an object's labels attach it to: while one of those lives, this one does. */
export function backReferences(namespace: string, labels: Labels): GcNode[] {
  const nodes: GcNode[] = [];
  for (const [label, value] of Object.entries(labels)) {
    if (isNamed(label, BACK_CONTAINER)) nodes.push({ kind: 'container', namespace, key: value });
    else if (isNamed(label, BACK_CONTENT)) nodes.push({ kind: 'content', namespace, key: value });
    else if (isNamed(label, BACK_IMAGE)) nodes.push({ kind: 'image', namespace, key: value });
    else if (label.startsWith(BACK_SNAPSHOT)) nodes.push({ kind: 'snapshot', namespace, key: `${snapshotterOf(label, BACK_SNAPSHOT)}/${value}` });
  }
  return nodes;
}

/** Whether the labels say that the time is over. A value that is no time never expires. */
export function isExpired(labels: Labels, now: bigint): boolean {
  const text = labels[LABEL_EXPIRE];
  if (text === undefined) return false;
  const at = parseRfc3339(text);
  return at !== undefined && at <= now;
}

/** The label itself, or with a suffix behind `.` or `/` that tells several apart. */
function isNamed(label: string, name: string): boolean {
  return label === name || label.startsWith(`${name}.`) || label.startsWith(`${name}/`);
}

function snapshotterOf(label: string, prefix: string): string {
  const rest = label.slice(prefix.length);
  const slash = rest.indexOf('/');
  return slash === -1 ? rest : rest.slice(0, slash);
}
