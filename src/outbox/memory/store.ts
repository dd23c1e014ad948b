import type { OutboxStore, OutboxSurroundings } from '../../core/outbox-store.ts';
import { LocalOutbox } from '../local/local-outbox.ts';
import type { Records } from '../records.ts';

const DONE = Promise.resolve();

/** Keeps what waits in this process. Dead letters are counted, not kept. */
export function memoryStore(surroundings: OutboxSurroundings): OutboxStore {
  const { ledger } = surroundings;
  return {
    keepsWhatIsLeft: false,
    isShared: false,
    outbox: (options) => new LocalOutbox(new MemoryRecords(), options, surroundings),
    start: () => Promise.resolve(),
    bury: ({ notification: { backend } }) => {
      ledger.count(backend, 'accepted');
      ledger.count(backend, 'dead');
      return Promise.resolve('accepted');
    },
    stopRedelivering: () => undefined,
    deadLetters: () => 0,
    orphans: () => [],
    problem: () => undefined,
    isStuck: () => false,
    close: () => Promise.resolve(),
  };
}

/** Keeps nothing beside what its outbox has in memory. */
class MemoryRecords implements Records {
  readonly keepsWhatIsLeft = false;
  readonly cachedBytes = Infinity;
  #lastKey = 0;

  add(): Promise<number> {
    this.#lastKey += 1;
    return Promise.resolve(this.#lastKey);
  }

  read(): Promise<readonly []> {
    return Promise.resolve([]);
  }

  postpone(): Promise<void> {
    return DONE;
  }

  remove(): Promise<void> {
    return DONE;
  }

  bury(): Promise<void> {
    return DONE;
  }
}
