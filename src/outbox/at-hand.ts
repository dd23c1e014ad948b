import { type Notification, roughBytes } from '../core/delivery.ts';

/** So much is kept of what was read ahead, in bytes, beside what was at hand anyway. */
const AHEAD_BYTES = 4 * 1024 * 1024;

/** What an entry must have to keep its notification at hand. */
export interface Handy {
  notification: Notification | undefined;
}

/** Keeps notifications with their entries, as far as memory allows, since most are sent soon after they were accepted. */
export class AtHand {
  readonly #mostBytes: number;
  #bytes = 0;

  /** @param mostBytes Of what was accepted; Infinity: it is kept nowhere else. */
  constructor(mostBytes: number) {
    this.#mostBytes = mostBytes;
  }

  /** Whether more may be read ahead. */
  get hasRoomAhead(): boolean {
    return this.#bytes < this.#mostBytes + AHEAD_BYTES;
  }

  /** Keeps what was accepted, if there is room. */
  keep(entry: Handy, notification: Notification): void {
    if (this.#bytes < this.#mostBytes) this.keepAhead(entry, notification);
  }

  /** Keeps what was read ahead. */
  keepAhead(entry: Handy, notification: Notification): void {
    entry.notification = notification;
    this.#bytes += roughBytes(notification);
  }

  forget(entry: Handy): void {
    if (entry.notification === undefined) return;
    this.#bytes -= roughBytes(entry.notification);
    entry.notification = undefined;
  }

  /** Forgets one that will not be wanted soon, if others need the room. */
  yieldRoom(entry: Handy): void {
    if (this.#bytes > this.#mostBytes) this.forget(entry);
  }
}
