/** Build arguments that need no `ARG`. @see the Dockerfile reference: predefined ARGs */
export const PREDEFINED_ARGUMENTS: readonly string[] = ['HTTP_PROXY', 'http_proxy', 'HTTPS_PROXY', 'https_proxy', 'FTP_PROXY', 'ftp_proxy', 'NO_PROXY', 'no_proxy', 'ALL_PROXY', 'all_proxy'];

/** What `ARG`s and `--build-arg`s say. A name without value is in the map with `undefined`. */
export class BuildArguments {
  readonly #given: ReadonlyMap<string, string>;
  readonly #global = new Map<string, string | undefined>();
  #declared = new Map<string, string | undefined>();
  readonly #referenced = new Set<string>();

  /** @param given what the client gave; null means it gave a name whose variable it does not have */
  constructor(given: Readonly<Record<string, string | null>>) {
    this.#given = new Map(Object.entries(given).flatMap(([name, value]): [string, string][] => value === null ? [] : [[name, value]]));
  }

  /** An `ARG` before the first `FROM`. */
  declareGlobal(name: string, value: string | undefined): void {
    this.#global.set(name, value);
    this.#referenced.add(name);
  }

  /** An `ARG` in a stage. */
  declare(name: string, value: string | undefined): void {
    this.#declared.set(name, value);
    this.#referenced.add(name);
  }

  /** A new stage begins: it knows no `ARG` of another. */
  beginStage(): void {
    this.#declared = new Map();
  }

  /** What `FROM` lines see. */
  globals(): Record<string, string> {
    return this.#values(this.#global);
  }

  /** What instructions of the stage see, apart from names that `env` has; sorted. */
  allowed(env: readonly string[]): [name: string, value: string][] {
    const taken = new Set(env.map((entry) => entry.split('=', 1)[0]));
    const predefined = PREDEFINED_ARGUMENTS.filter((name) => this.#given.has(name) && !this.#declared.has(name)).map((name): [string, undefined] => [name, undefined]);
    const values = this.#values(new Map([...predefined, ...this.#declared]));
    return Object.entries(values).filter(([name]) => !taken.has(name)).sort(([a], [b]) => a < b ? -1 : 1);
  }

  /** Whether a name counts for the cache and the history: proxies that no `ARG` names do not. */
  isRecorded(name: string): boolean {
    return this.#declared.has(name) || !PREDEFINED_ARGUMENTS.includes(name);
  }

  /** Names that the client gave and no `ARG` took; sorted. */
  unused(): string[] {
    return [...this.#given.keys()].filter((name) => !this.#referenced.has(name) && !PREDEFINED_ARGUMENTS.includes(name)).sort();
  }

  #values(declared: ReadonlyMap<string, string | undefined>): Record<string, string> {
    return Object.fromEntries([...declared].flatMap(([name, value]): [string, string][] => {
      const found = this.#given.get(name) ?? value ?? this.#global.get(name);
      return found === undefined ? [] : [[name, found]];
    }));
  }
}
