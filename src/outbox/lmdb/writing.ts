import { PlainError } from '../../core/errors.ts';
import type { Operation } from './database.js';
import type { Failures, StoreThread } from './thread.ts';

/** Operations that share a transaction, and one promise: under load thousands of them wait at a time. */
interface Batch {
  readonly operations: Operation[];
  readonly written: Promise<Failures>;
  readonly end: (failures: Failures) => void;
}

/** So many operations at most share a flush, so that none waits long for it. */
const MOST_IN_A_BATCH = 5000;
/** Fewer show that there is no load: then nobody waits for more of them. */
const FEW_IN_A_BATCH = 20;
/**
 * Under load operations gather so long before a transaction, in milliseconds: each costs about 350 µs of CPU beside its
 * operations.
 */
const GATHER_MS = 2;

/**
 * Has operations written. They gather while the thread writes those before: all that come meanwhile share the next
 * transaction and its flush to disk.
 */
export class Writing {
  readonly #thread: StoreThread;
  readonly #gathered: Batch[] = [];
  #isWriting = false;
  #isScheduled = false;
  /** When the batch that began last is written, all are. */
  #last: Promise<Failures> = Promise.resolve(undefined);

  constructor(thread: StoreThread) {
    this.#thread = thread;
  }

  /** Resolves to what `result` gives, which is called as soon as the operation is on disk. */
  do<T = void>(operation: Operation, result?: () => T): Promise<T> {
    const batch = this.#openBatch();
    const index = batch.operations.push(operation) - 1;
    if (!this.#isScheduled && !this.#isWriting) {
      this.#isScheduled = true;
      setImmediate(this.#write);
    }
    return batch.written.then((failures) => {
      const failure = failures?.[index] ?? '';
      if (failure !== '') throw new PlainError(`the outbox could not write: ${failure}`);
      return result?.() as T;
    });
  }

  /** Resolves when all is written. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #openBatch(): Batch {
    const last = this.#gathered.at(-1);
    if (last !== undefined && last.operations.length < MOST_IN_A_BATCH) return last;
    const batch = newBatch();
    this.#gathered.push(batch);
    this.#last = batch.written;
    return batch;
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    const batch = this.#gathered.shift();
    if (batch === undefined) return;
    this.#isWriting = true;
    const { operations } = batch;
    const allFailed = (why: string): Failures => operations.map(() => why);
    this.#thread.ask({ do: 'write', operations }).then(
      ({ failures, error }) => this.#written(batch, error === undefined ? failures : allFailed(error)),
      ({ message }: Error) => this.#written(batch, allFailed(message)),
    );
  };

  #written(batch: Batch, failures: Failures): void {
    this.#isWriting = false;
    batch.end(failures);
    if (this.#gathered.length === 0) return;
    this.#isScheduled = true;
    if (batch.operations.length < FEW_IN_A_BATCH) this.#write();
    else setTimeout(this.#write, GATHER_MS);
  }
}

function newBatch(): Batch {
  let end: Batch['end'] = () => undefined;
  const written = new Promise<Failures>((resolve) => {
    end = resolve;
  });
  return { operations: [], written, end };
}
