import { invalid } from '../errors.ts';
import { type Filters, parseFilters } from './filters.ts';

const FALSE_WORDS: ReadonlySet<string> = new Set(['', '0', 'no', 'false', 'none']);

/** The query string of a request, read by Docker's rules. */
export class Query {
  readonly #parameters: URLSearchParams;

  constructor(text: string) {
    this.#parameters = new URLSearchParams(text);
  }

  /** The first value of a parameter, or the empty string. */
  get(name: string): string {
    return this.#parameters.get(name) ?? '';
  }

  /** Every value of a repeated parameter. */
  getAll(name: string): string[] {
    return this.#parameters.getAll(name);
  }

  has(name: string): boolean {
    return this.#parameters.has(name);
  }

  /** Docker's rule: absent, empty, `0`, `no`, `false` and `none` are false, anything else is true. `fallback` is for an absent parameter. */
  bool(name: string, fallback = false): boolean {
    const value = this.#parameters.get(name);
    return value === null ? fallback : !FALSE_WORDS.has(value.trim().toLowerCase());
  }

  /** A whole number, or undefined where the parameter is absent or empty. @throws EngineApiError invalid_argument where it is none */
  int(name: string): number | undefined {
    const value = this.get(name);
    if (value === '') return undefined;
    if (!/^[-+]?\d{1,15}$/.test(value)) throw invalid(`strconv.Atoi: parsing ${JSON.stringify(value)}: invalid syntax`);
    return Number(value);
  }

  /** The `filters` parameter; give the accepted keys to refuse others. @throws EngineApiError invalid_argument */
  filters(accepted?: readonly string[]): Filters {
    const filters = parseFilters(this.#parameters.get('filters'));
    return accepted === undefined ? filters : filters.validate(accepted);
  }
}
