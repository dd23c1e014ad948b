import type { Notification } from '../../core/delivery.ts';
import type { NextAttempt } from '../../core/operator.ts';
import type { OutboxCounts } from '../../core/outbox.ts';
import { UnderWay } from '../../core/under-way.ts';
import type { OutboxPorts } from '../../core/outbox-store.ts';
import { Alarm } from './due-times.ts';
import { Inventory } from './inventory.ts';
import { type Entry, monotonicMs, newEntry } from './life.ts';
import { unpackLastAttempt } from '../last-attempt.ts';
import { type ListedOutbox, readAll } from './running-operator.ts';
import { GuardedRecords, type Records, type RecordSummary } from '../records.ts';

/** So many at most are buried together. */
const MOST_AT_A_TIME = 100;
/** When nothing can be read, the next try comes after so many milliseconds. */
const AGAIN_MS = 1000;

/** What an earlier run left for a pool that is no longer configured. It waits until its age makes it a dead letter. */
export class OrphanedOutbox implements ListedOutbox {
  readonly #records: GuardedRecords;
  readonly #maxAgeMs: number;
  readonly #ports: OutboxPorts;
  readonly #inventory: Inventory;
  readonly #alarm: Alarm;
  readonly #underWay = new UnderWay();
  #isClosed = false;

  constructor(records: Records, maxAgeMs: number, ports: OutboxPorts) {
    this.#records = new GuardedRecords(records, ports.observe);
    this.#maxAgeMs = maxAgeMs;
    this.#ports = ports;
    this.#inventory = new Inventory(ports);
    this.#alarm = new Alarm(ports.clock, () => this.#look());
  }

  /** To be called in the order of the keys, before `start`. */
  restore(record: RecordSummary): void {
    this.#inventory.accept(newEntry(record, monotonicMs(this.#ports.clock, record.acceptedAtSeconds * 1000)));
  }

  /** From now on looks for those that are too old. */
  start(): void {
    this.#look();
  }

  counts(): OutboxCounts {
    return this.#inventory.counts();
  }

  entries(): Iterable<Entry> {
    return this.#inventory.entries();
  }

  /** Never, unless its pool is configured again: then as soon as it is its turn. */
  nextAttempt({ attempts, last }: Entry): NextAttempt {
    return { setBy: unpackLastAttempt(last)?.cause ?? (attempts === 0 ? 'first' : 'back-off') };
  }

  read(entries: readonly Entry[]): Promise<readonly (Notification | undefined)[] | undefined> {
    return readAll(entries, this.#records);
  }

  drop(entry: Entry): Promise<void> {
    this.#inventory.move(entry, 'leaving');
    const removed = this.#records.remove(entry, 'dropped');
    return this.#underWay.track(removed.then(() => this.#inventory.end(entry, 'dropped')));
  }

  /** To be awaited before the records are closed. */
  close(): Promise<void> {
    this.#isClosed = true;
    this.#alarm.cancel();
    return this.#underWay.settled();
  }

  #look(): void {
    if (this.#isClosed) return;
    const nowMs = this.#ports.clock.monotonic();
    const old: Entry[] = [];
    for (
      let next = this.#inventory.oldestUntaken();
      next !== undefined;
      next = this.#inventory.oldestUntaken()
    ) {
      if (old.length === MOST_AT_A_TIME) break;
      if (this.#endsAtMs(next) > nowMs) {
        this.#alarm.set(this.#endsAtMs(next));
        break;
      }
      this.#inventory.move(next, 'leaving');
      old.push(next);
    }
    if (old.length > 0) void this.#underWay.track(this.#bury(old));
  }

  async #bury(old: readonly Entry[]): Promise<void> {
    const read = await this.#records.read(old.map(({ key }) => key));
    // Records may give fewer than they were asked for: the others wait again.
    for (const entry of old.slice(read?.length ?? 0)) this.#inventory.move(entry, 'queued');
    if (read === undefined) {
      if (!this.#isClosed) this.#alarm.set(this.#ports.clock.monotonic() + AGAIN_MS);
      return;
    }
    await Promise.all(read.map((notification, index) => this.#end(old[index]!, notification)));
    this.#look();
  }

  #endsAtMs({ acceptedAtSeconds }: Entry): number {
    return acceptedAtSeconds * 1000 + this.#maxAgeMs;
  }

  /** No notification, because somebody removed the record or it cannot be read: counted as dropped. */
  async #end(entry: Entry, notification: Notification | undefined): Promise<void> {
    if (notification === undefined) return this.#inventory.end(entry, 'dropped');
    const { clock, observe } = this.#ports;
    const { attempts } = entry;
    await this.#records.bury(entry, { notification, reason: 'expired', diedAtMs: clock.now(), attempts });
    this.#inventory.end(entry, 'dead');
    observe({ kind: 'notification-dead', notification, reason: 'expired' });
  }
}
