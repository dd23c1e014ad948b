import { Chain } from '../core/chain.ts';
import type { Delivery, Notification } from '../core/delivery.ts';
import type { Entry } from './entry.ts';

/** Deliveries that are out. */
export class Leases {
  readonly #entries = new Chain<Entry>();

  begin(entry: Entry, notification: Notification): Delivery {
    const lease = new Lease(entry, notification);
    entry.lease = lease;
    this.#entries.push(entry);
    return lease;
  }

  /** Ends a lease, and gives the entry that was out with it; undefined if there is no such lease. */
  end(delivery: Delivery): Entry | undefined {
    const entry = Lease.entryOf(delivery);
    if (entry === undefined || entry.lease !== delivery) return undefined;
    entry.lease = undefined;
    this.#entries.remove(entry);
    return entry;
  }

  entries(): Entry[] {
    const entries: Entry[] = [];
    for (let entry = this.#entries.first; entry !== undefined; entry = entry.next) entries.push(entry);
    return entries;
  }

  /** Ends all leases, and gives the entries that were out. */
  endAll(): Entry[] {
    const entries = this.entries();
    for (const { lease } of entries) this.end(lease!);
    return entries;
  }
}

/** A delivery that knows its entry, which saves a table of all that are out. */
class Lease implements Delivery {
  readonly notification: Notification;
  readonly attempts: number;
  readonly #entry: Entry;

  constructor(entry: Entry, notification: Notification) {
    this.notification = notification;
    this.attempts = entry.attempts;
    this.#entry = entry;
  }

  static entryOf(delivery: Delivery): Entry | undefined {
    return delivery instanceof Lease ? delivery.#entry : undefined;
  }
}
