import { setImmediate as nextTurn } from 'node:timers/promises';
import type { DeadLetter } from '../../core/dead-letter.ts';
import type { Notification } from '../../core/delivery.ts';
import { PlainError } from '../../core/errors.ts';
import {
  type Changed,
  choosesWaiting,
  type DeadChoice,
  type Erased,
  type NextAttempt,
  type OperatorPort,
  type WaitingChoice,
  type WaitingNotification,
  type Which,
  type WholeWaiting,
} from '../../core/operator.ts';
import { unpackLastAttempt, waitingFacts } from '../last-attempt.ts';
import type { GuardedRecords } from '../records.ts';
import type { Entry } from './life.ts';

/** So many are read before the event loop goes on. */
const MOST_AT_A_TIME = 500;

/** An outbox of a running store, as its operator port sees it. */
export interface ListedOutbox {
  /** What has not ended, the oldest first. It may change during the iteration. */
  entries(): Iterable<Entry>;
  /** When one that waits is attempted next. */
  nextAttempt(entry: Entry): NextAttempt;
  /** The requests of the first of them; undefined for one that is gone, and for all if none can be read now. */
  read(entries: readonly Entry[]): Promise<readonly (Notification | undefined)[] | undefined>;
  /** Removes an entry, and counts it as dropped. One that is out is only kept from a further attempt. */
  drop(entry: Entry): Promise<void>;
}

/** What a store keeps beside its outboxes. */
export type StoredLetters = Omit<OperatorPort, 'waiting' | 'findWaiting' | 'dropWaiting'>;

interface FoundIn {
  /** Of the pool. */
  readonly label: string;
  readonly outbox: ListedOutbox;
}

/** One that has not ended. */
interface Found extends FoundIn {
  readonly entry: Entry;
  readonly notification: Notification;
}

/** The operator port of a running store. It knows from its outboxes what waits, with turns and rests. */
export class RunningOperator implements OperatorPort {
  readonly #outboxes: () => Iterable<readonly [pool: string, ListedOutbox]>;
  readonly #letters: StoredLetters;

  /** @param outboxes Those that there are now. */
  constructor(outboxes: () => Iterable<readonly [pool: string, ListedOutbox]>, letters: StoredLetters) {
    this.#outboxes = outboxes;
    this.#letters = letters;
  }

  get damaged(): number {
    return this.#letters.damaged;
  }

  async *waiting(choice: WaitingChoice): AsyncIterable<readonly WaitingNotification[]> {
    for await (const found of this.#waiting(choice)) yield found.map(({ facts }) => facts);
  }

  async findWaiting(id: string): Promise<WholeWaiting | undefined> {
    for await (const found of this.#waiting({})) {
      const whole = found.find(({ facts }) => facts.id === id);
      if (whole !== undefined) return { facts: whole.facts, notification: whole.notification };
    }
    return undefined;
  }

  async dropWaiting(which: Which<WaitingChoice>): Promise<Changed> {
    if ('choice' in which) return { count: await this.#drop(this.#waiting(which.choice)), unknown: [] };
    const ids = new Set(which.ids);
    const meant: Found[] = [];
    for await (const found of this.#waiting({})) {
      meant.push(...found.filter(({ notification: { id } }) => ids.has(id)));
    }
    // Some may have ended while the others were looked for.
    for (const { notification } of meant.filter(isLeft)) ids.delete(notification.id);
    if (ids.size > 0) return { count: 0, unknown: [...ids] };
    return { count: await this.#drop([meant]), unknown: [] };
  }

  dead(choice: DeadChoice): AsyncIterable<readonly DeadLetter[]> {
    return this.#letters.dead(choice);
  }

  findDead(id: string): Promise<DeadLetter | undefined> {
    return this.#letters.findDead(id);
  }

  dropDead(which: Which<DeadChoice>): Promise<Changed> {
    return this.#letters.dropDead(which);
  }

  redeliver(which: Which<DeadChoice>): Promise<Changed> {
    return this.#letters.redeliver(which);
  }

  /** Outboxes first, letters second, so nothing slips by. The second step also removes what came to the store meanwhile. */
  async erase(jid: string): Promise<Erased> {
    const notifications = await this.#drop(this.#ofPerson(jid));
    const erased = await this.#letters.erase(jid);
    return { ...erased, notifications: notifications + erased.notifications };
  }

  async *#ofPerson(jid: string): AsyncIterable<readonly Found[]> {
    for await (const found of this.#found({})) {
      yield found.filter(({ notification: { sender, receiver } }) => sender === jid || receiver === jid);
    }
  }

  async #drop(pages: AsyncIterable<readonly Found[]> | readonly (readonly Found[])[]): Promise<number> {
    let count = 0;
    for await (const found of pages) {
      // Some may have ended since they were read.
      const left = found.filter(isLeft);
      await Promise.all(left.map(({ outbox, entry }) => outbox.drop(entry)));
      count += left.length;
    }
    return count;
  }

  async *#waiting(choice: WaitingChoice): AsyncIterable<readonly (Found & WholeWaiting)[]> {
    for await (const found of this.#found(choice)) {
      yield found
        .filter(({ entry: { state } }) => state !== 'leased' && state !== 'leaving' && state !== 'gone')
        .map((one) => ({ ...one, facts: factsOf(one) }))
        .filter(({ facts }) => choosesWaiting(choice, facts));
    }
  }

  /** All that has not ended, in portions that are read one after the other. */
  async *#found({ pool, backend }: WaitingChoice): AsyncIterable<readonly Found[]> {
    for (const [label, outbox] of this.#outboxes()) {
      if (pool !== undefined && pool !== label) continue;
      let portion: Entry[] = [];
      let lookedAt = 0;
      for (const entry of outbox.entries()) {
        if (backend === undefined || backend === entry.backend) portion.push(entry);
        lookedAt += 1;
        if (lookedAt % MOST_AT_A_TIME > 0) continue;
        yield* found({ label, outbox }, portion);
        portion = [];
        // What is cached is read at once: without this a million would hold up the event loop.
        await nextTurn();
      }
      yield* found({ label, outbox }, portion);
    }
  }
}

function isLeft({ entry: { state } }: Found): boolean {
  return state !== 'gone' && state !== 'leaving';
}

/** Reads again and again, because records may give fewer than they are asked for. */
async function* found(source: FoundIn, entries: readonly Entry[]): AsyncIterable<readonly Found[]> {
  for (let left = entries; left.length > 0;) {
    const read = await source.outbox.read(left);
    // Less than there is must not pass for all of it: an operator would believe that a person is erased.
    if (read === undefined || read.length === 0) throw unreadable(source);
    yield read.flatMap((notification, index) => {
      const entry = left[index];
      return notification === undefined || entry === undefined ? [] : [{ ...source, entry, notification }];
    });
    left = left.slice(read.length);
  }
}

function unreadable({ label }: FoundIn): PlainError {
  return new PlainError(
    `what waits for the pool ${label} cannot be read now, the log says why; try again once it can be`,
  );
}

/** The requests of the first of these entries, from memory where they are cached, else from the records. */
export async function readAll(
  entries: readonly Entry[],
  records: GuardedRecords,
): Promise<readonly (Notification | undefined)[] | undefined> {
  const cached = entries.map(({ notification }) => notification);
  const missing = entries.filter((_entry, index) => cached[index] === undefined);
  const read = missing.length === 0 ? [] : await records.read(missing.map(({ key }) => key));
  if (read === undefined) return undefined;
  let taken = 0;
  const all: (Notification | undefined)[] = [];
  for (const notification of cached) {
    if (notification === undefined && taken === read.length) break;
    all.push(notification ?? read[taken]);
    if (notification === undefined) taken += 1;
  }
  return all;
}

function factsOf({ label, outbox, entry, notification }: Found): WaitingNotification {
  const { attempts } = entry;
  const facts = { attempts, last: unpackLastAttempt(entry.last), next: outbox.nextAttempt(entry) };
  return waitingFacts(notification, label, facts);
}
