import { EngineApiError, invalid, messageOf } from '../errors.ts';
import type { Filters, RouteContext } from '../http/index.ts';

const LIMIT_DEFAULT = 25;
const LIMIT_MAX = 100;
const HUB_SEARCH = 'https://index.docker.io/v1/search';

interface SearchResult { readonly name: string; readonly description: string; readonly star_count: number; readonly is_official: boolean; readonly is_automated: boolean }

/** `GET /images/search`: asks Docker Hub, or the registry that the term names. */
export async function searchRoute(context: RouteContext): Promise<void> {
  const { query } = context;
  const filters = query.filters(['is-automated', 'is-official', 'stars']);
  const limit = query.int('limit') ?? 0;
  if (limit < 0 || limit > LIMIT_MAX) throw invalid(`Limit ${limit} is outside the range of [1, ${LIMIT_MAX}]`);
  const stars = Math.max(0, ...filters.get('stars').map((value) => {
    if (!/^\d+$/.test(value)) throw invalid(`invalid filter 'stars=[${value}]'`, 'INVALID_FILTER');
    return Number(value);
  }));
  const results = await search(query.get('term'), limit || LIMIT_DEFAULT, context.signal);
  context.sendJson(200, results.filter((result) => isWanted(result, filters, stars)));
}

function isWanted(result: SearchResult, filters: Filters, stars: number): boolean {
  return result.star_count >= stars && (!filters.has('is-official') || filters.bool('is-official', false) === result.is_official) && (!filters.has('is-automated') || !filters.bool('is-automated', false));
}

async function search(term: string, limit: number, signal: AbortSignal): Promise<SearchResult[]> {
  const slash = term.indexOf('/');
  const host = term.slice(0, Math.max(0, slash));
  const hasHost = /[.:]/.test(host) || host === 'localhost';
  const base = hasHost ? `https://${host}/v1/search` : HUB_SEARCH;
  const url = `${base}?q=${encodeURIComponent(hasHost ? term.slice(slash + 1) : term)}&n=${limit}`;
  let response: Response;
  try {
    response = await fetch(url, { signal });
  } catch (error) {
    const reason = error instanceof Error && error.cause !== undefined ? messageOf(error.cause) : messageOf(error);
    throw new EngineApiError('internal', 'REGISTRY_UNAVAILABLE', `Get ${JSON.stringify(url)}: ${reason}`, { cause: error });
  }
  if (!response.ok) throw new EngineApiError('unavailable', 'REGISTRY_UNAVAILABLE', `Unexpected status code ${response.status}`);
  const document: unknown = await response.json();
  const results: unknown = typeof document === 'object' && document !== null && 'results' in document ? document.results : [];
  return (Array.isArray(results) ? results : []).map((entry: unknown): SearchResult => {
    const { name, description, star_count: starCount, is_official: isOfficial } = (entry ?? {}) as Record<string, unknown>;
    return { name: typeof name === 'string' ? name : '', description: typeof description === 'string' ? description : '', star_count: typeof starCount === 'number' ? starCount : 0, is_official: isOfficial === true, is_automated: false };
  });
}
