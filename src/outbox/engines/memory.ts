import type { Notification } from '../../core/delivery.ts';
import type { OutboxEngine, OutboxStore } from '../engine.ts';
import { LocalOutbox } from '../local-outbox.ts';
import type { Records, RecordSummary } from '../records.ts';

/** Keeps deliveries in this process: fast, bounded, and gone with the process. Dead letters are counted, not kept. */
export const memory: OutboxEngine = (_options, surroundings) => {
  const { ledger } = surroundings;
  const store: OutboxStore = {
    keepsWhatIsLeft: false,
    outbox: (options) => new LocalOutbox(new MemoryRecords(), options, surroundings),
    start: () => Promise.resolve(),
    bury: ({ notification: { backend } }) => {
      ledger.count(backend, 'accepted');
      ledger.count(backend, 'dead');
      return Promise.resolve();
    },
    problem: () => undefined,
    close: () => Promise.resolve(),
  };
  return Promise.resolve(store);
};

class MemoryRecords implements Records {
  readonly keepsWhatIsLeft = false;
  readonly #notifications = new Map<number, Notification>();
  #lastKey = 0;

  add(notification: Notification): Promise<number> {
    this.#lastKey += 1;
    this.#notifications.set(this.#lastKey, notification);
    return Promise.resolve(this.#lastKey);
  }

  read(key: number): Notification | undefined {
    return this.#notifications.get(key);
  }

  postpone(): Promise<void> {
    return Promise.resolve();
  }

  remove({ key }: RecordSummary): Promise<void> {
    this.#notifications.delete(key);
    return Promise.resolve();
  }

  bury(record: RecordSummary): Promise<void> {
    return this.remove(record);
  }
}
