/** Health checks: probes run inside the container and what they say about it. */
import type { Container, Run } from './container.ts';
import type { Engine } from './engine.ts';

/** Begins to probe, if the container has a health check. */
export function startHealth(_engine: Engine, _container: Container, _run: Run): void {
}

/** Ends probing; what was found stays visible. */
export function stopHealth(_container: Container): void {
}
