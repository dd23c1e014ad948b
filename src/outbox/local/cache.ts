import { Chain } from '../../core/chain.ts';
import type { Clock } from '../../core/clock.ts';
import { type Notification, roughBytes } from '../../core/delivery.ts';
import type { GuardedRecords } from '../records.ts';
import type { LocalLease } from './leases.ts';
import type { Entry } from './life.ts';

/** Bytes for what is read ahead, on top of the cache. */
const AHEAD_BYTES = 4 * 1024 * 1024;
/** So many are kept read ahead: enough for the tens of milliseconds that a slow disk may take for a flush. */
const MOST_AHEAD = 500;
/** So many entries are looked at for those that are not cached. */
const MOST_LOOKED_AT = 1000;
/** When nothing can be read, the next try comes after so many milliseconds. */
const AGAIN_MS = 1000;

/** Keeps notifications with their entries as far as memory allows: most are sent soon after they were accepted. */
export class Cache {
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
  keep(entry: Entry, notification: Notification): void {
    if (this.#bytes < this.#mostBytes) this.keepAhead(entry, notification);
  }

  /** Keeps what was read ahead. */
  keepAhead(entry: Entry, notification: Notification): void {
    entry.notification = notification;
    this.#bytes += roughBytes(notification);
  }

  forget(entry: Entry): void {
    if (entry.notification === undefined) return;
    this.#bytes -= roughBytes(entry.notification);
    entry.notification = undefined;
  }

  /** Forgets one that will not be wanted soon, if others need the room. */
  yieldRoom(entry: Entry): void {
    if (this.#bytes > this.#mostBytes) this.forget(entry);
  }
}

export interface ReadAheadOptions {
  readonly records: GuardedRecords;
  readonly cache: Cache;
  readonly clock: Clock;
  /** The entries that probably come after this one. */
  readonly upcoming: (entry: Entry) => Iterable<Entry>;
  /** Takes each wanted lease once it is read. No notification: the record was removed or cannot be read. */
  readonly give: (lease: LocalLease, notification: Notification | undefined) => void;
}

/**
 * Reads what is not cached: what a lease waits for, and with it what probably comes next. So a backlog is delivered as fast
 * as if all of it were in memory.
 */
export class ReadAhead {
  readonly #options: ReadAheadOptions;
  readonly #wanted = new Chain<LocalLease>();
  #isReading = false;
  /** About how many of those that were read ahead are left. */
  #left = 0;
  /** How many the last reading gave ahead, and how many were taken since. */
  #gave = 0;
  #taken = 0;
  #cancelAgain = (): void => undefined;

  constructor(options: ReadAheadOptions) {
    this.#options = options;
  }

  /** Reads what a lease is to carry, and gives it. */
  want(lease: LocalLease): void {
    this.#wanted.push(lease);
    this.#left = 0;
    this.#read(lease.entry);
  }

  /** To be called for each cached entry that is taken. When half of what was read ahead is gone, more is read. */
  taken(entry: Entry): void {
    if (this.#gave === 0) return;
    this.#taken += 1;
    if (this.#left > 0) this.#left -= 1;
    if (2 * this.#left < MOST_AHEAD && 2 * this.#taken >= this.#gave) this.#read(entry);
  }

  /** Reads nothing more. */
  stop(): void {
    this.#cancelAgain();
  }

  /** Ends the wish for a lease. */
  unwant(lease: LocalLease): void {
    this.#wanted.remove(lease);
  }

  /** One reading at a time: what is wanted meanwhile is read together after it. */
  #read(entry: Entry): void {
    if (this.#isReading) return;
    const entries: Entry[] = [];
    for (let one = this.#wanted.first; one !== undefined; one = one.next) entries.push(one.entry);
    this.#addUpcoming(entry, entries);
    this.#gave = 0;
    this.#taken = 0;
    if (entries.length === 0) return;
    this.#isReading = true;
    void this.#options.records.read(entries.map(({ key }) => key)).then((read) => this.#have(entries, read));
  }

  #addUpcoming(entry: Entry, entries: Entry[]): void {
    const { cache, upcoming } = this.#options;
    if (!cache.hasRoomAhead) return;
    const most = entries.length + MOST_AHEAD - this.#left;
    let lookedAt = 0;
    for (const next of upcoming(entry)) {
      if (next.notification === undefined) entries.push(next);
      lookedAt += 1;
      if (lookedAt === MOST_LOOKED_AT || entries.length >= most) return;
    }
  }

  /** @param read For the first of the entries; undefined: nothing can be read now. */
  #have(entries: readonly Entry[], read: readonly (Notification | undefined)[] | undefined): void {
    read?.forEach((notification, index) => this.#haveOne(entries[index]!, notification));
    this.#isReading = false;
    const readNext = (): void => {
      const { first } = this.#wanted;
      if (first !== undefined) this.#read(first.entry);
    };
    if (read !== undefined) readNext();
    else if (!this.#wanted.isEmpty()) this.#cancelAgain = this.#options.clock.after(AGAIN_MS, readNext);
  }

  #haveOne(entry: Entry, notification: Notification | undefined): void {
    const { cache, give } = this.#options;
    if (entry.state === 'reading') {
      const lease = this.#wantedFor(entry);
      this.#wanted.remove(lease);
      give(lease, notification);
    } else if (notification !== undefined && entry.state === 'queued') {
      cache.keepAhead(entry, notification);
      this.#gave += 1;
      this.#left += 1;
    }
  }

  /** Nearly always the first one: they are read in the order in which they were wanted. */
  #wantedFor(entry: Entry): LocalLease {
    for (let one = this.#wanted.first; one !== undefined; one = one.next) if (one.entry === entry) return one;
    throw new Error('an entry is being read that nobody wants');
  }
}
