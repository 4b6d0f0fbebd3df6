import type { ProgressMessage } from '@dray/engine-api/client';

/**
 * Prints a progress stream. On a terminal each layer has one line that is rewritten in place; elsewhere each new status is a line of its own, without the
 * counting.
 */
export class ProgressPrinter {
  readonly #out: NodeJS.WriteStream;
  readonly #lines = new Map<string, number>();
  readonly #last = new Map<string, string>();
  #count = 0;

  constructor(out: NodeJS.WriteStream) {
    this.#out = out;
  }

  print(message: ProgressMessage): void {
    if (message.stream !== undefined) {
      this.#out.write(message.stream);
      return;
    }
    if (message.status === undefined) return;
    if (message.id === undefined) this.#line(message.status);
    else if (this.#out.isTTY) this.#rewrite(message.id, `${message.id}: ${message.status}${message.progress ? ` ${message.progress}` : ''}`);
    else if (this.#last.get(message.id) !== message.status) {
      this.#last.set(message.id, message.status);
      if (message.progressDetail?.current === undefined) this.#line(`${message.id}: ${message.status}`);
    }
  }

  #line(text: string): void {
    this.#out.write(`${text}\n`);
    this.#count++;
  }

  #rewrite(id: string, text: string): void {
    const line = this.#lines.get(id);
    if (line === undefined) {
      this.#lines.set(id, this.#count);
      this.#line(text);
      return;
    }
    const up = this.#count - line;
    this.#out.write(`\u001b[${up}A\r\u001b[2K${text}\r\u001b[${up}B`);
  }
}
