import type { Clock } from '../../core/clock.ts';
import { afterReading } from '../../node/clock.ts';

/** If so much was read in one turn of the event loop, more is unread. */
const BEHIND_BYTES = 16 * 1024;
/** After so long without such a turn nothing more is unread. */
const CALM_AFTER_MS = 100;
/** Longest wait of what is to be written. */
const LONGEST_WAIT_MS = 5000;

/** Prosody ends the stream of a component that sends a stanza of more than 512 KiB. */
const LONGEST_STANZA = 64 * 1024;
/** A server that does not read must not fill our memory. */
const MOST_UNSENT_BYTES = 1024 * 1024;

/** The socket, as far as writing is concerned. */
export interface WritableSocket {
  /** Bytes that were written and are not sent yet. */
  readonly writableLength: number;
  write(text: string): unknown;
}

/**
 * Writes only when nothing unread is left. If the server is gone, our first byte makes the kernel drop what we have
 * not read, which may be megabytes.
 */
export class StreamWriter {
  readonly #clock: Clock;
  readonly #socket: WritableSocket;
  #bytes = 0;
  #isTurnAwaited = false;
  /** When more was unread; undefined: nothing is. */
  #behindAtMs: number | undefined;
  #held = '';
  #heldSinceMs: number | undefined;
  #cancelWait: (() => void) | undefined;

  constructor(clock: Clock, socket: WritableSocket) {
    this.#clock = clock;
    this.#socket = socket;
  }

  /** So many bytes were read. */
  heard(bytes: number): void {
    this.#bytes += bytes;
    this.#awaitTurn();
  }

  /** Writes a stanza. False: it was not written, because it is too long, or too much waits for the server already. */
  writeStanza(text: string): boolean {
    const unsent = this.#socket.writableLength + this.#held.length;
    if (text.length > LONGEST_STANZA || unsent > MOST_UNSENT_BYTES) return false;
    this.write(text);
    return true;
  }

  /** Writes in any case. */
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
        this.#awaitTurn(); // Timers come before reading: what has come by now is counted first.
      });
      return;
    }
    const text = this.#held;
    this.#held = '';
    this.#behindAtMs = undefined;
    this.#heldSinceMs = undefined;
    this.#socket.write(text);
  }

  #waitMs(): number {
    if (this.#behindAtMs === undefined) return 0;
    const nowMs = this.#clock.monotonic();
    this.#heldSinceMs ??= nowMs;
    return Math.min(this.#behindAtMs + CALM_AFTER_MS, this.#heldSinceMs + LONGEST_WAIT_MS) - nowMs;
  }
}
