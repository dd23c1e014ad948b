import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { PlainError } from '../../core/errors.ts';
import type { Operation } from './database.js';

/** Why each operation failed, '' if it did not; undefined: none failed. */
type Failures = readonly string[] | undefined;

/** Operations that share a transaction, and one promise: under load thousands of them wait at a time. */
interface Batch {
  readonly operations: Operation[];
  readonly written: Promise<Failures>;
  readonly end: (failures: Failures) => void;
}

/** What the writer's thread says: once how it started, then an answer to each batch. */
interface Message {
  readonly opened?: true;
  readonly problem?: string;
  readonly failures?: Failures;
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
 * The way to the writer's thread. Operations gather while it writes those before: all that come meanwhile share the
 * next transaction and its flush to disk.
 */
export class Writing {
  readonly #worker: Worker;
  readonly #gathered: Batch[] = [];
  #beingWritten: Batch | undefined;
  #isScheduled = false;
  #hasEnded = false;
  /** When the batch that began last is written, all are. */
  #last: Promise<Failures> = Promise.resolve(undefined);
  #problem: string | undefined;

  private constructor(worker: Worker) {
    this.#worker = worker;
    worker.on('message', ({ failures }: Message) => this.#written(failures));
    worker.on('error', (error) => this.#fail(error.message));
    worker.on('exit', () => {
      this.#hasEnded = true;
      this.#fail('the thread that writes has ended');
    });
  }

  /** @throws PlainError if the database cannot be opened. */
  static async open(folder: string): Promise<Writing> {
    // Without the flags of the process: what they load concerns the sidecar, not its writer.
    const options = { workerData: { folder }, execArgv: [] };
    const worker = new Worker(new URL('./writer.js', import.meta.url), options);
    const [{ problem }] = (await once(worker, 'message')) as [Message];
    if (problem !== undefined) throw new PlainError(problem);
    return new Writing(worker);
  }

  /** Why the last operation failed; undefined if it did not. */
  get problem(): string | undefined {
    return this.#problem;
  }

  /** Resolves to what `result` gives, which is called as soon as the operation is on disk. */
  do<T = void>(operation: Operation, result?: () => T): Promise<T> {
    const batch = this.#openBatch();
    const index = batch.operations.push(operation) - 1;
    if (this.#hasEnded) this.#fail('the thread that writes has ended');
    else if (!this.#isScheduled && this.#beingWritten === undefined) {
      this.#isScheduled = true;
      setImmediate(this.#write);
    }
    return batch.written.then((failures) => {
      const failure = failures?.[index] ?? '';
      if (failure !== '') throw new PlainError(`the outbox could not write: ${failure}`);
      return result?.() as T;
    });
  }

  /** Ends the thread, when all is written. */
  async close(): Promise<void> {
    await this.#last;
    if (this.#hasEnded) return;
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await ended;
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
    this.#beingWritten = this.#gathered.shift();
    if (this.#beingWritten !== undefined) this.#worker.postMessage(this.#beingWritten.operations);
  };

  #written(failures: Failures): void {
    const written = this.#beingWritten;
    this.#beingWritten = undefined;
    this.#problem = failures?.findLast((failure) => failure !== '');
    written?.end(failures);
    if (this.#gathered.length === 0) return;
    this.#isScheduled = true;
    if (written === undefined || written.operations.length < FEW_IN_A_BATCH) this.#write();
    else setTimeout(this.#write, GATHER_MS);
  }

  #fail(problem: string): void {
    this.#problem = problem;
    const failed = [this.#beingWritten, ...this.#gathered.splice(0)];
    this.#beingWritten = undefined;
    for (const batch of failed) batch?.end(batch.operations.map(() => problem));
  }
}

function newBatch(): Batch {
  let end: Batch['end'] = () => undefined;
  const written = new Promise<Failures>((resolve) => {
    end = resolve;
  });
  return { operations: [], written, end };
}
