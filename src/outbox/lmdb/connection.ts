import type { Clock } from '../../core/clock.ts';
import { StoreThread } from './thread.ts';
import { Writing } from './writing.ts';

/** The way into a database that a thread of its own has open. */
export class Connection {
  #parts: { readonly thread: StoreThread; readonly writing: Writing } | undefined;

  get thread(): StoreThread {
    return this.#opened.thread;
  }

  get writing(): Writing {
    return this.#opened.writing;
  }

  get #opened() {
    if (this.#parts === undefined) throw new Error('the outbox was not started');
    return this.#parts;
  }

  async open(folder: string, clock: Clock): Promise<void> {
    const thread = await StoreThread.open(folder, clock);
    this.#parts = { thread, writing: new Writing(thread) };
  }

  async close(): Promise<void> {
    await this.#parts?.writing.settled();
    await this.#parts?.thread.close();
  }
}
