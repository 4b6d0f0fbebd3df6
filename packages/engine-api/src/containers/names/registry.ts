import { conflict, invalid, notFound } from '../../errors.ts';

/** Anything that has a container's two names. */
export interface Named {
  readonly id: string;
  /** With its leading slash. */
  readonly name: string;
}

/**
 * The containers by id and name. All changes are synchronous, so of two requests for one name exactly one wins.
 * A name may be reserved before its container exists.
 */
export class NameRegistry<T extends Named> {
  readonly #byId = new Map<string, T>();
  readonly #idByName = new Map<string, string>();

  /** Takes `name` (without slash) for the container `id`. @throws EngineApiError `conflict` with Docker's wording when it is taken */
  reserve(name: string, id: string): void {
    const holder = this.#idByName.get(name);
    if (holder !== undefined && holder !== id) {
      throw conflict(
        `Conflict. The container name "/${name}" is already in use by container "${holder}". You have to remove (or rename) that container to be able to reuse that name.`,
        'NAME_IN_USE');
    }
    this.#idByName.set(name, id);
  }

  /** True when nobody has the name. */
  isFree(name: string): boolean {
    return !this.#idByName.has(name);
  }

  /** Gives a name back, if `id` holds it. */
  release(name: string, id: string): void {
    if (this.#idByName.get(name) === id) this.#idByName.delete(name);
  }

  /** Adds a container whose name is reserved (or free). */
  add(container: T): void {
    this.reserve(container.name.slice(1), container.id);
    this.#byId.set(container.id, container);
  }

  /** Forgets a container and its name. */
  remove(container: Named): void {
    this.#byId.delete(container.id);
    this.release(container.name.slice(1), container.id);
  }

  /** Every container, in the order they were added. */
  all(): T[] {
    return [...this.#byId.values()];
  }

  /** By full id alone. */
  byId(id: string): T | undefined {
    return this.#byId.get(id);
  }

  /**
   * Finds a container as users write it: full id, name with or without its slash, or unique start of an id.
   *
   * @throws EngineApiError `not_found`, or `invalid_argument` when several ids start so
   */
  find(reference: string): T {
    const exact = this.#byId.get(reference) ?? this.#byName(reference);
    if (exact) return exact;
    if (reference === '') throw notFound('No such container: ', 'NO_SUCH_CONTAINER');
    const matches = /^[0-9a-f]+$/.test(reference) ? this.all().filter((container) => container.id.startsWith(reference)) : [];
    if (matches.length > 1) throw invalid(`Multiple IDs found with provided prefix: ${reference}`, 'AMBIGUOUS_ID');
    const only = matches[0];
    if (!only) throw notFound(`No such container: ${reference}`, 'NO_SUCH_CONTAINER');
    return only;
  }

  #byName(reference: string): T | undefined {
    const id = this.#idByName.get(reference.startsWith('/') ? reference.slice(1) : reference);
    return id === undefined ? undefined : this.#byId.get(id);
  }
}
