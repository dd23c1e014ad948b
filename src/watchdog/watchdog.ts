import { once } from 'node:events';
import { SHARE_ENV, Worker } from 'node:worker_threads';
import { callbackNames } from '../core/callback-names.ts';

/** What of a callback module can hold the main thread. */
const steps = ['loading', ...callbackNames] as const;
export type Step = (typeof steps)[number];

/**
 * The memory that the main thread shares with the watchdog's. It says how many turns the main thread has made, and
 * which step of its callback module it entered last. It also says whether the main thread was taken out of a module.
 */
export const TURNS = 0;
export const ENTERED = 1;
export const ABANDONED = 2;
const SHARED_BYTES = 3 * Int32Array.BYTES_PER_ELEMENT;

/** The value of `ENTERED` while no callback module was entered. */
export const NOTHING = 0;

/** Most milliseconds between two signs of life of the main thread, and between two checks; each wakes a thread. */
const LONGEST_INTERVAL_MS = 1000;

/** What the watchdog needs to know. */
export interface WatchdogOptions {
  /** Milliseconds that code of a callback module may hold the main thread. */
  readonly limitMs: number;
  /** Names of the backends, in their order. */
  readonly backends: readonly string[];
  readonly version: string;
}

/** What its thread gets as `workerData`. */
export interface ThreadOptions extends WatchdogOptions {
  readonly intervalMs: number;
  readonly memory: Int32Array<SharedArrayBuffer>;
}

/** Sent by its thread after it terminated the loading of a module on the main thread. */
export interface Abandoned {
  readonly heldForMs: number;
  /** The frames where that was, innermost first. */
  readonly stack: readonly string[];
}

/** Checks from its own thread that code of callback modules gives the main thread back. */
export interface Watchdog {
  /** To be called before each call of a callback, so that a stall can be attributed. It is one write to memory. */
  entered(backend: number, step: Step): void;
  /** Loads a callback module; terminates that, and rejects, if it holds the main thread for too long. */
  loading<T>(backend: number, load: () => Promise<T>): Promise<T>;
}

/**
 * Starts the watchdog. From the first callback on, it logs a main thread that does not turn within the limit. Then it
 * ends the process, and a supervisor starts it again: only so are the other notifications delivered.
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
  // A thread that is not ready could not terminate the loading of a module.
  await once(thread, 'message');
  thread.unref();
  setInterval(() => Atomics.add(memory, TURNS, 1), intervalMs).unref();
  return {
    entered: (backend, step) => {
      memory[ENTERED] = placeOf(backend, step);
    },
    loading: async (backend, load) => {
      const cancel = new AbortController();
      const abandoned = abandonedLoading(thread, cancel.signal);
      memory[ABANDONED] = 0;
      memory[ENTERED] = placeOf(backend, 'loading');
      thread.ref();
      try {
        return await Promise.race([load(), abandoned]);
      } catch (error) {
        // The termination may reject the import before the thread's message arrives.
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

/** Rejects when the loading of a module was terminated. */
async function abandonedLoading(thread: Worker, signal: AbortSignal): Promise<never> {
  const [{ stack, heldForMs }] = (await once(thread, 'message', { signal })) as [Abandoned];
  const where = stack[0] ?? 'at an unknown place';
  throw new Error(`it has held the main thread for ${heldForMs / 1000} s while it was loaded, ${where}`);
}

/** The value of `ENTERED` for a step of the callback module of the backend with this index. */
function placeOf(backend: number, step: Step): number {
  return 1 + backend * steps.length + steps.indexOf(step);
}

export function fromPlace(place: number): { readonly backend: number; readonly step: Step } {
  return { backend: Math.floor((place - 1) / steps.length), step: steps[(place - 1) % steps.length]! };
}
