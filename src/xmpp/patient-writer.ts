import type { Clock } from '../core/clock.ts';
import { afterReading } from '../node/clock.ts';

/** Where so much was read in one turn of the event loop, more is waiting. */
const BEHIND_BYTES = 16 * 1024;
/** The rest of it may take so long to come. */
const CALM_AFTER_MS = 100;
/** What is to be written waits so long at most. */
const LONGEST_WAIT_MS = 5000;

/**
 * Writes while nothing more waits to be read. What a server had sent before it went away still comes, megabytes if we
 * are behind; but at the first byte that we write, its kernel forgets the rest, since nobody is there to read that byte.
 */
export class PatientWriter {
  readonly #clock: Clock;
  readonly #write: (text: string) => void;
  #bytes = 0;
  #isTurnAwaited = false;
  /** When more was waiting, if that may still be so. */
  #behindAtMs: number | undefined;
  #held = '';
  #heldSinceMs: number | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(clock: Clock, write: (text: string) => void) {
    this.#clock = clock;
    this.#write = write;
  }

  /** Characters that are not written yet. */
  get held(): number {
    return this.#held.length;
  }

  /** So many bytes were read. */
  heard(bytes: number): void {
    this.#bytes += bytes;
    this.#awaitTurn();
  }

  write(text: string): void {
    this.#held += text;
    this.#awaitTurn();
  }

  /** Forgets what is not written yet. */
  stop(): void {
    this.#held = '';
    this.#cancelWait?.();
  }

  #awaitTurn(): void {
    if (this.#isTurnAwaited) return;
    this.#isTurnAwaited = true;
    setImmediate(() => this.#endTurn());
  }

  #endTurn(): void {
    this.#isTurnAwaited = false;
    if (this.#bytes >= BEHIND_BYTES) this.#behindAtMs = this.#clock.monotonic();
    this.#bytes = 0;
    this.#writeIfCalm();
  }

  #writeIfCalm(): void {
    if (this.#held === '' || this.#cancelWait !== undefined) return;
    const waitMs = this.#waitMs();
    if (waitMs > 0) {
      this.#cancelWait = afterReading(this.#clock, waitMs, () => {
        this.#cancelWait = undefined;
        this.#awaitTurn(); // Timers come before reading: what is there by now is looked at first.
      });
      return;
    }
    const text = this.#held;
    this.#held = '';
    this.#behindAtMs = undefined;
    this.#heldSinceMs = undefined;
    this.#write(text);
  }

  #waitMs(): number {
    if (this.#behindAtMs === undefined) return 0;
    const nowMs = this.#clock.monotonic();
    this.#heldSinceMs ??= nowMs;
    return Math.min(this.#behindAtMs + CALM_AFTER_MS, this.#heldSinceMs + LONGEST_WAIT_MS) - nowMs;
  }
}
