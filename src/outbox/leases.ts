import { Chain, type Linked } from '../core/chain.ts';
import type { Clock } from '../core/clock.ts';
import type { Delivery, Notification } from '../core/delivery.ts';
import type { Entry } from './entry.ts';

/** By so much an age that is known in whole seconds may be off, once it was rounded in two runs. */
const ROUNDING_MS = 2000;

/** Deliveries that are out. */
export class Leases {
  readonly #out = new Chain<Lease>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  begin(entry: Entry, notification: Notification): Delivery {
    const lease = new Lease(entry, notification, this.#clock);
    this.#out.push(lease);
    return lease;
  }

  /** Ends a lease, and gives the entry that was out with it; undefined if there is no such lease. */
  end(delivery: Delivery): Entry | undefined {
    if (!(delivery instanceof Lease) || !delivery.isOut) return undefined;
    delivery.isOut = false;
    this.#out.remove(delivery);
    return delivery.entry;
  }

  /** Ends all leases, and gives the entries that were out. */
  endAll(): Entry[] {
    const entries: Entry[] = [];
    for (let { first } = this.#out; first !== undefined; { first } = this.#out) {
      entries.push(first.entry);
      this.end(first);
    }
    return entries;
  }
}

/** A delivery that knows its entry, which saves a table of all that are out. */
class Lease implements Delivery, Linked<Lease> {
  readonly notification: Notification;
  readonly attempts: number;
  readonly entry: Entry;
  readonly #clock: Clock;
  isOut = true;
  previous: Lease | undefined = undefined;
  next: Lease | undefined = undefined;

  constructor(entry: Entry, notification: Notification, clock: Clock) {
    this.notification = notification;
    this.attempts = entry.attempts;
    this.entry = entry;
    this.#clock = clock;
  }

  /** To the second; to the millisecond where the machine's clock says about the same, for it was not set meanwhile. */
  get ageMs(): number {
    const ageMs = this.#clock.monotonic() - this.entry.acceptedAtSeconds * 1000;
    const byMachineMs = this.#clock.now() - this.notification.acceptedAtMs;
    return Math.abs(ageMs - byMachineMs) < ROUNDING_MS ? byMachineMs : ageMs;
  }
}
