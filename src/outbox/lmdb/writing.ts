import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { PlainError } from '../../core/errors.ts';
import type { Operation } from './database.js';

interface Pending {
  readonly operation: Operation;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** What the writer's thread says: once how it started, then an answer to each batch. */
interface Message {
  readonly opened?: true;
  readonly problem?: string;
  readonly failures?: readonly string[];
}

/** So many operations at most share a flush, so that none waits long for it. */
const MOST_IN_A_BATCH = 5000;
/** Fewer show that there is no load: then nobody waits for more of them. */
const FEW_IN_A_BATCH = 20;
/**
 * Under load operations gather so long before a transaction, in milliseconds: each costs about 350 µs of CPU beside its
 * operations.
 */
const GATHER_MS = 4;

/**
 * The way to the writer's thread. Operations gather while it writes those before: all that come meanwhile share the
 * next transaction and its flush to disk.
 */
export class Writing {
  readonly #worker: Worker;
  #gathered: Pending[] = [];
  #beingWritten: readonly Pending[] = [];
  #isScheduled = false;
  #hasEnded = false;
  /** The operation that came last: when it is done, all are. */
  #last: Promise<void> = Promise.resolve();
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

  /** Resolves once the operation is on disk. */
  do(operation: Operation): Promise<void> {
    const done = new Promise<void>((resolve, reject) => {
      this.#gathered.push({ operation, resolve, reject });
    });
    if (this.#hasEnded) this.#fail('the thread that writes has ended');
    else if (!this.#isScheduled && this.#beingWritten.length === 0) {
      this.#isScheduled = true;
      setImmediate(this.#write);
    }
    this.#last = done;
    return done;
  }

  /** Ends the thread, when all is written. */
  async close(): Promise<void> {
    await this.#last.catch(() => undefined);
    if (this.#hasEnded) return;
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await ended;
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    this.#beingWritten = this.#gathered.splice(0, MOST_IN_A_BATCH);
    if (this.#beingWritten.length === 0) return;
    this.#worker.postMessage(this.#beingWritten.map(({ operation }) => operation));
  };

  #written(failures: readonly string[] | undefined): void {
    const written = this.#beingWritten;
    this.#beingWritten = [];
    this.#problem = failures?.findLast((failure) => failure !== '');
    for (const [index, { resolve, reject }] of written.entries()) {
      const failure = failures?.[index] ?? '';
      if (failure === '') resolve();
      else reject(new PlainError(`the outbox could not write: ${failure}`));
    }
    if (this.#gathered.length === 0) return;
    this.#isScheduled = true;
    if (written.length < FEW_IN_A_BATCH) this.#write();
    else setTimeout(this.#write, GATHER_MS);
  }

  #fail(problem: string): void {
    this.#problem = problem;
    const failed = [...this.#beingWritten, ...this.#gathered];
    this.#beingWritten = [];
    this.#gathered = [];
    for (const { reject } of failed) reject(new PlainError(`the outbox could not write: ${problem}`));
  }
}
