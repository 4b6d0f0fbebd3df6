/** Messages of one stream that have arrived and were not read yet, as an async iterable for a single reader. */
export class MessageQueue<Message> implements AsyncIterableIterator<Message> {
  #messages: Message[] = [];
  #end: { readonly error: unknown } | undefined;
  #waiting: { resolve: (result: IteratorResult<Message>) => void; reject: (error: unknown) => void } | undefined;
  readonly #onRoom: () => void;
  readonly #onReturn: () => void;

  /** `onRoom` is called after each read, `onReturn` when the reader stops before the end. */
  constructor(onRoom: () => void = () => undefined, onReturn: () => void = () => undefined) {
    this.#onRoom = onRoom;
    this.#onReturn = onReturn;
  }

  /** Messages that wait to be read. */
  get length(): number {
    return this.#messages.length;
  }

  /** Adds a message; after the end it is dropped. */
  push(message: Message): void {
    if (this.#end !== undefined) return;
    const waiting = this.#waiting;
    if (waiting === undefined) {
      this.#messages.push(message);
      return;
    }
    this.#waiting = undefined;
    waiting.resolve({ done: false, value: message });
  }

  /** Ends the stream after what is queued; with an error, the reader gets it then. The first call counts. */
  end(error?: unknown): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting === undefined) return;
    if (error === undefined) waiting.resolve({ done: true, value: undefined });
    else waiting.reject(error);
  }

  async next(): Promise<IteratorResult<Message>> {
    const message = this.#messages.shift();
    if (message !== undefined) {
      this.#onRoom();
      return { done: false, value: message };
    }
    if (this.#end !== undefined) {
      const { error } = this.#end;
      this.#end = { error: undefined };
      // A signal's reason need not be an Error; it is passed on as it is.
      if (error !== undefined) throw error as Error;
      return { done: true, value: undefined };
    }
    const { promise, resolve, reject } = Promise.withResolvers<IteratorResult<Message>>();
    this.#waiting = { resolve, reject };
    return promise;
  }

  return(): Promise<IteratorResult<Message>> {
    this.#messages = [];
    this.end();
    this.#onReturn();
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}
