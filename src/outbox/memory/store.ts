import type { OutboxStore, OutboxPorts } from '../../core/outbox-store.ts';
import { LocalOutbox } from '../local/local-outbox.ts';
import { RunningOperator, type StoredLetters } from '../local/running-operator.ts';
import type { Records } from '../records.ts';

const DONE = Promise.resolve();

/** Keeps what waits in this process. Dead letters are counted, not kept. */
export function memoryStore(ports: OutboxPorts): OutboxStore {
  const { ledger } = ports;
  const outboxes = new Map<string, LocalOutbox>();
  return {
    keepsWhatIsLeft: false,
    isShared: false,
    operator: new RunningOperator(() => outboxes, noLetters),
    outbox: (options) => {
      const outbox = new LocalOutbox(new MemoryRecords(), options, ports);
      outboxes.set(options.pool, outbox);
      return outbox;
    },
    start: () => Promise.resolve(),
    bury: ({ notification: { backend } }) => {
      ledger.count(backend, 'accepted');
      ledger.count(backend, 'dead');
      return Promise.resolve('accepted');
    },
    stopRedelivering: () => undefined,
    deadLetters: () => 0,
    orphans: () => [],
    whyUnready: () => undefined,
    isStuck: () => false,
    close: () => Promise.resolve(),
  };
}

/** Dead letters are not kept: there is none. */
const noLetters: StoredLetters = {
  damaged: 0,
  dead: async function* () {
    yield await Promise.resolve([]);
  },
  findDead: () => Promise.resolve(undefined),
  dropDead: (which) => Promise.resolve({ count: 0, unknown: 'ids' in which ? which.ids : [] }),
  redeliver: (which) => Promise.resolve({ count: 0, unknown: 'ids' in which ? which.ids : [] }),
  erase: () => Promise.resolve({ deadLetters: 0, redeliveries: 0, notifications: 0 }),
};

/** Keeps nothing beside what its outbox has in memory. */
class MemoryRecords implements Records {
  readonly keepsWhatIsLeft = false;
  readonly cachedBytes = Infinity;
  #lastKey = 0;

  add(): Promise<number> {
    this.#lastKey += 1;
    return Promise.resolve(this.#lastKey);
  }

  /** Only what is not cached is asked for: an operator has dropped it while it was out. */
  read(keys: readonly number[]): Promise<readonly undefined[]> {
    return Promise.resolve(keys.map(() => undefined));
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
