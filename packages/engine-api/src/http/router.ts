import type { Route } from './route.ts';

/** A route that fits a request, and the values of its path's parts. */
export interface RouteMatch { readonly route: Route; readonly params: Readonly<Record<string, string>> }

interface Pattern { readonly route: Route; readonly expression: RegExp; readonly names: readonly string[]; readonly tailLength: number; readonly fixedLength: number }

/** Finds the route for a method and a path. Parts in braces are greedy, so that `/images/localhost:5000/a/b:tag/json` works. */
export class Router {
  readonly #fixed = new Map<string, Route>();
  readonly #patterns = new Map<string, Pattern[]>();

  constructor(routes: readonly Route[]) {
    for (const route of routes) {
      const key = `${route.method} ${route.path}`;
      if (!route.path.includes('{')) this.#fixed.set(key, route);
      else this.#add(route);
    }
    for (const patterns of this.#patterns.values()) patterns.sort((a, b) => b.tailLength - a.tailLength || b.fixedLength - a.fixedLength);
  }

  #add(route: Route): void {
    const names: string[] = [];
    const source = route.path.split('/').map((part) => {
      const name = /^\{(\w+)\}$/.exec(part)?.[1];
      if (name === undefined) return part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
      names.push(name);
      return '(.+)';
    }).join('/');
    const pattern: Pattern = {
      route, names, expression: new RegExp(`^${source}$`, 's'),
      tailLength: route.path.length - route.path.lastIndexOf('}') - 1,
      fixedLength: route.path.replaceAll(/\{\w+\}/g, '').length,
    };
    const key = groupOf(route.method, route.path);
    this.#patterns.set(key, [...this.#patterns.get(key) ?? [], pattern]);
  }

  /** The route for a path without version prefix, or undefined. Values are percent-decoded. @throws URIError on a malformed percent sign */
  find(method: string, path: string): RouteMatch | undefined {
    const fixed = this.#fixed.get(`${method} ${path}`);
    if (fixed !== undefined) return { route: fixed, params: {} };
    for (const { expression, names, route } of this.#patterns.get(groupOf(method, path)) ?? []) {
      const match = expression.exec(path);
      if (match !== null) return { route, params: Object.fromEntries(names.map((name, index) => [name, decodeURIComponent(match[index + 1] ?? '')])) };
    }
    return undefined;
  }
}

function groupOf(method: string, path: string): string {
  const slash = path.indexOf('/', 1);
  return `${method} ${slash < 0 ? path : path.slice(0, slash)}`;
}
