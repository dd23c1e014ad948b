import { type Notification, roughBytes } from '../core/delivery.ts';
import type { GuardedRecords } from './guarded-records.ts';

/** What an entry must have to keep its notification at hand. */
export interface Handy {
  readonly key: number;
  notification: Notification | undefined;
}

/** Keeps notifications with their entries, as far as memory allows, since most are sent soon after they were accepted. */
export class AtHand {
  readonly #records: GuardedRecords;
  #bytes = 0;

  constructor(records: GuardedRecords) {
    this.#records = records;
  }

  /** From the entry, else from the records; undefined if it cannot be read or somebody has removed it. */
  read({ key, notification }: Handy): Notification | undefined {
    return notification ?? this.#records.read(key);
  }

  keep(entry: Handy, notification: Notification): void {
    if (this.#bytes >= this.#records.atHandBytes) return;
    entry.notification = notification;
    this.#bytes += roughBytes(notification);
  }

  forget(entry: Handy): void {
    if (entry.notification === undefined) return;
    this.#bytes -= roughBytes(entry.notification);
    entry.notification = undefined;
  }
}
