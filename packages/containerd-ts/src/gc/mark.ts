import { nodeId, type GcNode } from './references.ts';

/** What the collector has to know: where to begin, and where each thing leads. */
export interface GcGraph {
  /** What lives by itself. */
  readonly roots: readonly GcNode[];
  /** What lives by itself without what it refers to. */
  readonly flatRoots: readonly GcNode[];
  /** What a node keeps alive. */
  references(node: GcNode): readonly GcNode[];
}

/** The ids of all nodes that are alive. */
export function mark(graph: GcGraph): Set<string> {
  const alive = new Set<string>();
  const pending = [...graph.roots];
  for (let node = pending.pop(); node !== undefined; node = pending.pop()) {
    const id = nodeId(node);
    if (alive.has(id)) continue;
    alive.add(id);
    pending.push(...graph.references(node));
  }
  for (const node of graph.flatRoots) alive.add(nodeId(node));
  return alive;
}
