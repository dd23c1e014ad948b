import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { ABANDONED, ENTERED, NOTHING, placeOf, SHARED_BYTES, type Step, TURNS } from './entered.ts';

/** How often both threads give or look for a sign of life, at most: each time wakes one of them. */
const LONGEST_INTERVAL_MS = 1000;

/** What the watchdog's thread is told. */
export interface WatchdogOptions {
  /** How long code of a callback module may hold the main thread. */
  readonly limitMs: number;
  /** Names of the backends, in their order. */
  readonly backends: readonly string[];
  readonly version: string;
}

/** What its thread gets. */
export interface ThreadOptions extends WatchdogOptions {
  readonly intervalMs: number;
  readonly memory: Int32Array<SharedArrayBuffer>;
}

/** Sent by its thread when it has taken the main thread out of a module that was being loaded. */
export interface Abandoned {
  readonly heldForMs: number;
  /** Where that was, innermost first. */
  readonly stack: readonly string[];
}

/** Sees from a thread of its own that code of callback modules gives the main thread back. */
export interface Watchdog {
  /** To be called before each call of a callback: then a stall has a name. Costs next to nothing. */
  entered(backend: number, step: Step): void;
  /** Loads a callback module; rejects if it holds the main thread for too long, which then is taken out of it. */
  loading<T>(backend: number, load: () => Promise<T>): Promise<T>;
}

/**
 * Starts the watchdog. From the first callback on, a main thread that does not turn within the limit ends the process with
 * a log line, for its supervisor to start it again: nothing less gives the others' notifications their turn.
 */
export async function startWatchdog(options: WatchdogOptions): Promise<Watchdog> {
  const { limitMs } = options;
  const intervalMs = Math.min(limitMs / 10, LONGEST_INTERVAL_MS);
  const memory = new Int32Array(new SharedArrayBuffer(SHARED_BYTES));
  const workerData: ThreadOptions = { ...options, intervalMs, memory };
  const thread = new Worker(new URL('./thread.js', import.meta.url), {
    workerData,
    name: 'watchdog',
    env: SHARE_ENV,
    execArgv: [],
  });
  // Before that it could not help us out of a module.
  await once(thread, 'message');
  thread.unref();
  setInterval(() => Atomics.add(memory, TURNS, 1), intervalMs).unref();
  return {
    entered: (backend, step) => {
      memory[ENTERED] = placeOf(backend, step);
    },
    loading: async (backend, load) => {
      const cancel = new AbortController();
      const abandoned = wordOfAbandoning(thread, cancel.signal);
      memory[ABANDONED] = 0;
      memory[ENTERED] = placeOf(backend, 'loading');
      thread.ref();
      try {
        return await Promise.race([load(), abandoned]);
      } catch (error) {
        // What the module left behind may be noticed before the thread's word of it has come.
        if (Atomics.load(memory, ABANDONED) === 1) await abandoned;
        throw error;
      } finally {
        memory[ENTERED] = NOTHING;
        thread.unref();
        cancel.abort();
      }
    },
  };
}

/** Rejects when the main thread was taken out of a module. */
async function wordOfAbandoning(thread: Worker, signal: AbortSignal): Promise<never> {
  const [{ stack, heldForMs }] = (await once(thread, 'message', { signal })) as [Abandoned];
  const where = stack[0] ?? 'nobody knows where';
  throw new Error(`it has held the main thread for ${heldForMs / 1000} s while it was loaded, ${where}`);
}
