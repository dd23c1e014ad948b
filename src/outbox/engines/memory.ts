import type { Notification } from '../../core/delivery.ts';
import type { OutboxEngine } from '../engine.ts';
import { LocalOutbox } from '../local-outbox.ts';
import type { Left, Records } from '../records.ts';

/** Keeps deliveries in this process: fast, bounded, and gone with the process. */
export const memory: OutboxEngine = (options, surroundings) =>
  Promise.resolve(new LocalOutbox(new MemoryRecords(), options, surroundings));

class MemoryRecords implements Records {
  readonly keepsWhatIsLeft = false;
  readonly #notifications = new Map<number, Notification>();
  #lastKey = 0;

  left(): Iterable<Left> {
    return [];
  }

  add(notification: Notification): Promise<number> {
    this.#lastKey += 1;
    this.#notifications.set(this.#lastKey, notification);
    return Promise.resolve(this.#lastKey);
  }

  read(key: number): Notification {
    const notification = this.#notifications.get(key);
    if (notification === undefined) throw new Error('there is no such record');
    return notification;
  }

  postpone(): Promise<void> {
    return Promise.resolve();
  }

  remove(key: number): Promise<void> {
    this.#notifications.delete(key);
    return Promise.resolve();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}
