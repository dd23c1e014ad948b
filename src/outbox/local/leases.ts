import type { Linked } from '../../core/chain.ts';
import type { Clock } from '../../core/clock.ts';
import type { Attempt, Notification, Verdict } from '../../core/delivery.ts';
import type { Lease } from '../../core/outbox.ts';
import type { WorkerPlace } from './destinations.ts';
import type { Entry } from './life.ts';

/** Largest error, in milliseconds, of an age that was rounded to seconds in two runs. */
const ROUNDING_MS = 2000;

/** Where leases come from, and what ends them. */
export interface LeaseOwner {
  readonly clock: Clock;
  settle(lease: LocalLease, verdict: Verdict, attempt?: Attempt): Promise<boolean>;
  giveBack(lease: LocalLease): boolean;
}

/** One call of `lease`. It waits for a turn, and then until all that it was given has been read. */
export class LeaseCall implements Linked<LeaseCall> {
  readonly most: number;
  readonly resolve: (leases: readonly Lease[]) => void;
  leases: LocalLease[] = [];
  /** How many of its leases are still being read. */
  unread = 0;
  previous: LeaseCall | undefined = undefined;
  next: LeaseCall | undefined = undefined;

  constructor(most: number, resolve: (leases: readonly Lease[]) => void) {
    this.most = most;
    this.resolve = resolve;
  }
}

/** What a lease is made of. */
export interface Leased {
  readonly entry: Entry;
  /** The worker's place of the POST that is to carry it. */
  readonly place: WorkerPlace;
  /** The call that it is for. */
  readonly call: LeaseCall;
}

/** A lease in this process. It knows its entry, so no table of all that are out is needed. */
export class LocalLease implements Lease, Linked<LocalLease> {
  readonly attempts: number;
  readonly entry: Entry;
  readonly place: WorkerPlace;
  readonly call: LeaseCall;
  readonly #owner: LeaseOwner;
  #notification: Notification | undefined = undefined;
  isOut = false;
  previous: LocalLease | undefined = undefined;
  next: LocalLease | undefined = undefined;

  constructor({ entry, place, call }: Leased, owner: LeaseOwner) {
    this.attempts = entry.attempts;
    this.entry = entry;
    this.place = place;
    this.call = call;
    this.#owner = owner;
  }

  get notification(): Notification {
    if (this.#notification === undefined) throw new Error('a lease was handed out before it was read');
    return this.#notification;
  }

  carry(notification: Notification): void {
    this.#notification = notification;
  }

  /** Exact where monotonic and machine's clock agree, because nobody set the latter meanwhile. Else in whole seconds. */
  get ageMs(): number {
    const { clock } = this.#owner;
    const ageMs = clock.monotonic() - this.entry.acceptedAtSeconds * 1000;
    const byMachineMs = clock.now() - this.notification.acceptedAtMs;
    return Math.abs(ageMs - byMachineMs) < ROUNDING_MS ? byMachineMs : ageMs;
  }

  settle(verdict: Verdict, attempt?: Attempt): Promise<boolean> {
    return this.#owner.settle(this, verdict, attempt);
  }

  extend(): Promise<boolean> {
    return Promise.resolve(this.isOut);
  }

  giveBack(): Promise<boolean> {
    return Promise.resolve(this.#owner.giveBack(this));
  }
}
