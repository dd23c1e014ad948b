import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Clock } from '../../core/clock.ts';
import { PlainError } from '../../core/errors.ts';
import type { Operation } from './database.js';
import type { Step, StepResult } from './operator-steps.js';

/** What the writer's thread is asked for. */
export type Message =
  | { readonly do: 'write'; readonly operations: readonly Operation[] }
  | { readonly do: 'read'; readonly keys: readonly number[] }
  | { readonly do: 'step'; readonly step: Step }
  | { readonly do: 'check' }
  | { readonly do: 'look' };

/** For each operation why it failed, or '' if it did not. Undefined: none failed. */
export type Failures = readonly string[] | undefined;

/** For the first of the keys the stored notification; undefined if there is none. */
export type TextsRead = (string | undefined | { readonly error: string })[];

/** What operators' commands, other processes, have left to do. */
export interface Look {
  /** How many records they have removed so far. */
  readonly erasures: number;
  /** Letters to be delivered again. */
  readonly redeliveries: readonly string[];
}

/** The response to each message. The first response, before any message, says that the database is open. */
export interface Response {
  readonly failures?: Failures;
  readonly read?: TextsRead;
  readonly taken?: StepResult;
  readonly look?: Look;
  /** Why there is nothing of what was asked for. */
  readonly error?: string;
  /** How many dead letters there are. */
  readonly deadLetters: number;
  /** Why nothing can be written, or why the last that could not be was not. */
  readonly problem: string | undefined;
}

interface Request {
  readonly resolve: (response: Response) => void;
  readonly reject: (error: Error) => void;
}

/** How often `tick` is to be called, in milliseconds. */
export const TICK_MS = 500;
/** Without a response for so many ticks (five seconds) the store counts as one that cannot take notifications. */
const MOST_SILENT_TICKS = 10;
/** Without a response for so long, in milliseconds, the thread may be waiting in a call that nothing ends. */
const STUCK_MS = 500;
const UNANSWERED =
  'it has not responded for 5 seconds: its disk hangs, its file system is frozen, or a command that was stopped holds its lock (look for "dead-letters" among the processes)';

/** The way to the writer's thread, which responds in the order of the messages. */
export class StoreThread {
  readonly #worker: Worker;
  readonly #clock: Clock;
  readonly #requests: Request[] = [];
  /** Since when the first of the requests is being done; monotonic. */
  #sinceMs = 0;
  /** Ticks since then. */
  #silentTicks = 0;
  #isClosing = false;
  /** What was asked for last. */
  #latest: Promise<unknown> = Promise.resolve();
  #last: Pick<Response, 'problem' | 'deadLetters'>;
  #ended: PlainError | undefined;

  private constructor(worker: Worker, opened: Response, clock: Clock) {
    this.#worker = worker;
    this.#clock = clock;
    this.#last = opened;
    worker.on('message', (response: Response) => this.#take(response));
    worker.on('error', ({ message }) => this.#end(message));
    worker.on('exit', () => this.#end('nothing says why'));
  }

  /** @throws PlainError if the database cannot be opened. */
  static async open(folder: string, clock: Clock): Promise<StoreThread> {
    // Without the flags of the process: what they load concerns the sidecar, not its writer.
    const options = { workerData: { folder }, execArgv: [] };
    const worker = new Worker(new URL('./writer.js', import.meta.url), options);
    const [opened] = (await once(worker, 'message')) as [Response | Pick<Response, 'problem'>];
    if ('deadLetters' in opened) return new StoreThread(worker, opened, clock);
    throw new PlainError(opened.problem ?? 'the thread that writes did not start');
  }

  /** Why it cannot take notifications now, in words for an operator; undefined while it can. */
  get problem(): string | undefined {
    if (this.#ended !== undefined) return `${this.#ended.message}; restart the sidecar`;
    return this.#silentTicks > MOST_SILENT_TICKS ? UNANSWERED : this.#last.problem;
  }

  /** Ticks are counted, not time: a process that was itself stopped would take its own pause for silence. */
  tick(): void {
    if (this.#requests.length > 0) this.#silentTicks += 1;
  }

  /** Whether it might never end by itself. */
  get isStuck(): boolean {
    const isWaiting = this.#ended === undefined && (this.#requests.length > 0 || this.#isClosing);
    return isWaiting && this.#clock.monotonic() - this.#sinceMs > STUCK_MS;
  }

  /** How many dead letters there were at the last response. */
  get deadLetters(): number {
    return this.#last.deadLetters;
  }

  /** Rejects with a PlainError once the thread has ended. */
  ask(message: Message): Promise<Response> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended);
    if (this.#requests.length === 0) this.#sinceMs = this.#clock.monotonic();
    this.#worker.postMessage(message);
    const response = new Promise<Response>(
      (resolve, reject) => void this.#requests.push({ resolve, reject }),
    );
    this.#latest = response;
    return response;
  }

  /** Has it do a step of an operator. */
  async takeStep(step: Step): Promise<StepResult> {
    const { taken, error } = await this.ask({ do: 'step', step });
    if (taken === undefined) throw new PlainError(`the outbox could not do that: ${error}`);
    return taken;
  }

  /** Ends the thread once all that was asked is done and each caller has its response. */
  async close(): Promise<void> {
    if (this.#ended !== undefined) return;
    if (this.#requests.length === 0) this.#sinceMs = this.#clock.monotonic();
    this.#isClosing = true;
    // Otherwise the last responses and the thread's end come in one step, and the end would be handled first.
    await this.#latest.catch(() => undefined);
    if (this.#ended !== undefined) return;
    const ended = once(this.#worker, 'exit');
    this.#worker.postMessage('close');
    await ended;
  }

  #take(response: Response): void {
    this.#sinceMs = this.#clock.monotonic();
    this.#silentTicks = 0;
    this.#last = response;
    this.#requests.shift()?.resolve(response);
  }

  #end(why: string): void {
    this.#ended ??= new PlainError(`the thread that writes has ended: ${why}`);
    for (const { reject } of this.#requests.splice(0)) reject(this.#ended);
  }
}

/** Operations that share a transaction, and one promise: under load thousands of them wait at a time. */
interface Transaction {
  readonly operations: Operation[];
  readonly written: Promise<Failures>;
  readonly end: (failures: Failures) => void;
}

/** So many operations at most share a flush, so that none waits long for it. */
const MOST_IN_A_TRANSACTION = 5000;
/** Fewer show that there is no load: then nobody waits for more of them. */
const FEW_IN_A_TRANSACTION = 20;
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
  readonly #gathered: Transaction[] = [];
  #isWriting = false;
  #isScheduled = false;
  /** When the transaction that began last is written, all are. */
  #last: Promise<Failures> = Promise.resolve(undefined);

  constructor(thread: StoreThread) {
    this.#thread = thread;
  }

  /** Resolves to what `result` gives, which is called as soon as the operation is on disk. */
  do<T = void>(operation: Operation, result?: () => T): Promise<T> {
    const transaction = this.#openTransaction();
    const index = transaction.operations.push(operation) - 1;
    if (!this.#isScheduled && !this.#isWriting) {
      this.#isScheduled = true;
      setImmediate(this.#write);
    }
    return transaction.written.then((failures) => {
      const failure = failures?.[index] ?? '';
      if (failure !== '') throw new PlainError(`the outbox could not write: ${failure}`);
      return result?.() as T;
    });
  }

  /** Resolves when all is written. */
  async settled(): Promise<void> {
    await this.#last;
  }

  #openTransaction(): Transaction {
    const last = this.#gathered.at(-1);
    if (last !== undefined && last.operations.length < MOST_IN_A_TRANSACTION) return last;
    const transaction = newTransaction();
    this.#gathered.push(transaction);
    this.#last = transaction.written;
    return transaction;
  }

  readonly #write = (): void => {
    this.#isScheduled = false;
    const transaction = this.#gathered.shift();
    if (transaction === undefined) return;
    this.#isWriting = true;
    const { operations } = transaction;
    const allFailed = (why: string): Failures => operations.map(() => why);
    this.#thread.ask({ do: 'write', operations }).then(
      ({ failures, error }) => this.#written(transaction, error === undefined ? failures : allFailed(error)),
      ({ message }: Error) => this.#written(transaction, allFailed(message)),
    );
  };

  #written(transaction: Transaction, failures: Failures): void {
    this.#isWriting = false;
    transaction.end(failures);
    if (this.#gathered.length === 0) return;
    this.#isScheduled = true;
    if (transaction.operations.length < FEW_IN_A_TRANSACTION) this.#write();
    else setTimeout(this.#write, GATHER_MS);
  }
}

function newTransaction(): Transaction {
  let end: Transaction['end'] = () => undefined;
  const written = new Promise<Failures>((resolve) => {
    end = resolve;
  });
  return { operations: [], written, end };
}

/** The main thread's way to the writer's thread, which has the database open. */
export class WriterLink {
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
