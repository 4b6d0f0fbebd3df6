import { integerOf, labelsOf, optionalTextOf, textOf, type Database } from '../metadata/index.ts';
import type { Labels } from '../labels.ts';
import type { GcGraph } from './mark.ts';
import { backReferences, isExpired, LABEL_FLAT, LABEL_ROOT, labelReferences, nodeId, type GcNode } from './references.ts';

/** Reads the graph of all namespaces. Everything is read in one go, so that the graph is one moment's. */
export function readGraph(database: Database, now: bigint): GcGraph {
  const builder = new GraphBuilder();
  addLeases(builder, database, now);
  addImages(builder, database, now);
  addIngests(builder, database, now);
  addContainers(builder, database);
  addContent(builder, database);
  addSnapshots(builder, database);
  return builder;
}

class GraphBuilder implements GcGraph {
  readonly roots: GcNode[] = [];
  readonly flatRoots: GcNode[] = [];
  readonly #edges = new Map<string, GcNode[]>();

  references(node: GcNode): readonly GcNode[] {
    return this.#edges.get(nodeId(node)) ?? [];
  }

  edge(from: GcNode, to: GcNode): void {
    const id = nodeId(from);
    const edges = this.#edges.get(id);
    if (edges === undefined) this.#edges.set(id, [to]);
    else edges.push(to);
  }

  /** Adds the edges that a node's labels state, in both directions. */
  labelled(node: GcNode, labels: Labels): void {
    for (const target of labelReferences(node.namespace, labels)) this.edge(node, target);
    for (const source of backReferences(node.namespace, labels)) this.edge(source, node);
  }
}

function addLeases(builder: GraphBuilder, database: Database, now: bigint): void {
  const flat = new Set<string>();
  for (const row of database.prepare('SELECT * FROM leases').all()) {
    const node: GcNode = { kind: 'lease', namespace: textOf(row, 'namespace'), key: textOf(row, 'id') };
    const labels = labelsOf(row);
    if (isExpired(labels, now)) continue;
    builder.roots.push(node);
    if (LABEL_FLAT in labels) flat.add(nodeId(node));
    else builder.labelled(node, labels);
  }
  const alive = new Set(builder.roots.map(nodeId));
  for (const row of database.prepare('SELECT * FROM lease_resources').all()) {
    const namespace = textOf(row, 'namespace');
    const lease: GcNode = { kind: 'lease', namespace, key: textOf(row, 'lease') };
    const resource = resourceNode(namespace, textOf(row, 'type'), textOf(row, 'id'));
    if (resource === undefined || !alive.has(nodeId(lease))) continue;
    if (flat.has(nodeId(lease))) builder.flatRoots.push(resource);
    else builder.roots.push(resource);
  }
}

function resourceNode(namespace: string, type: string, id: string): GcNode | undefined {
  switch (type) {
    case 'content':
      return { kind: 'content', namespace, key: id };
    case 'images':
      return { kind: 'image', namespace, key: id };
    case 'ingests':
      return { kind: 'ingest', namespace, key: id };
    default:
      return type.startsWith('snapshots/') ? { kind: 'snapshot', namespace, key: `${type.slice('snapshots/'.length)}/${id}` } : undefined;
  }
}

function addImages(builder: GraphBuilder, database: Database, now: bigint): void {
  for (const row of database.prepare('SELECT namespace, name, digest, labels FROM images').all()) {
    const namespace = textOf(row, 'namespace');
    const node: GcNode = { kind: 'image', namespace, key: textOf(row, 'name') };
    const labels = labelsOf(row);
    if (!isExpired(labels, now)) builder.roots.push(node);
    builder.edge(node, { kind: 'content', namespace, key: textOf(row, 'digest') });
    builder.labelled(node, labels);
  }
}

function addIngests(builder: GraphBuilder, database: Database, now: bigint): void {
  for (const row of database.prepare('SELECT namespace, ref, expected, expires_at FROM ingests').all()) {
    const namespace = textOf(row, 'namespace');
    const node: GcNode = { kind: 'ingest', namespace, key: textOf(row, 'ref') };
    const expiresAt = integerOf(row, 'expires_at');
    if (expiresAt > now) builder.roots.push(node);
    const expected = optionalTextOf(row, 'expected') ?? '';
    if (expected !== '') builder.edge(node, { kind: 'content', namespace, key: expected });
  }
}

function addContainers(builder: GraphBuilder, database: Database): void {
  for (const row of database.prepare('SELECT namespace, id, snapshotter, snapshot_key, labels FROM containers').all()) {
    const namespace = textOf(row, 'namespace');
    const node: GcNode = { kind: 'container', namespace, key: textOf(row, 'id') };
    builder.roots.push(node);
    const key = textOf(row, 'snapshot_key');
    if (key !== '') builder.edge(node, { kind: 'snapshot', namespace, key: `${textOf(row, 'snapshotter')}/${key}` });
    builder.labelled(node, labelsOf(row));
  }
}

function addContent(builder: GraphBuilder, database: Database): void {
  for (const row of database.prepare('SELECT namespace, digest, labels FROM blobs').all()) {
    const node: GcNode = { kind: 'content', namespace: textOf(row, 'namespace'), key: textOf(row, 'digest') };
    const labels = labelsOf(row);
    if (LABEL_ROOT in labels) builder.roots.push(node);
    builder.labelled(node, labels);
  }
}

function addSnapshots(builder: GraphBuilder, database: Database): void {
  const rows = database.prepare('SELECT s.namespace, s.snapshotter, s.key, s.labels, p.key AS parent_key FROM snapshots s LEFT JOIN snapshots p ON p.number = s.parent').all();
  for (const row of rows) {
    const namespace = textOf(row, 'namespace');
    const snapshotter = textOf(row, 'snapshotter');
    const node: GcNode = { kind: 'snapshot', namespace, key: `${snapshotter}/${textOf(row, 'key')}` };
    const parent = optionalTextOf(row, 'parent_key');
    if (parent !== undefined) builder.edge(node, { kind: 'snapshot', namespace, key: `${snapshotter}/${parent}` });
    const labels = labelsOf(row);
    if (LABEL_ROOT in labels) builder.roots.push(node);
    builder.labelled(node, labels);
  }
}
